"""The table changes under mails in flight: what this version wrote is read after, and by both."""

from collections.abc import Iterator

import pytest
from django.db import connections, models

from mailqueue.ledger.models import Entry, State
from tests.ledger.mails import SENT, envelope, finish, record, settled, start


@pytest.fixture
def newer(table) -> Iterator[None]:
    """Add what a later version may add: a column that older workers know nothing of."""
    field = models.CharField(max_length=10, null=True)
    field.set_attributes_from_name("later")
    field.model = Entry

    def change(name: str) -> None:
        with connections[table].schema_editor() as editor:
            getattr(editor, name)(Entry, field)

    yield lambda: change("add_field")
    change("remove_field")


def test_old_workers_go_on_after_a_column_was_added(ledger, newer):
    first, second, third = envelope(), envelope(), envelope()
    in_flight = start(ledger, first)
    record(ledger, second)

    newer()

    record(ledger, third)
    assert finish(ledger, in_flight, settled(first, a=SENT)) == ()
    for claim in ledger.claim(limit=2):
        assert finish(ledger, claim, settled(claim.envelope, a=SENT)) == ()
    assert Entry.objects.filter(state=State.SENT).count() == 3


def test_what_was_sent_is_not_sent_again_when_its_envelope_is_replayed(ledger):
    once = envelope()
    finish(ledger, start(ledger, once), settled(once, a=SENT))
    record(ledger, once)
    assert ledger.claim(limit=1) == []


def test_rows_of_the_first_ledger_are_delivered(ledger):
    """They have neither a size nor a time to be given up."""
    mail = envelope()
    record(ledger, mail)
    Entry.objects.update(size=0, give_up_at=None)
    [claim] = ledger.claim(limit=1)
    assert claim.envelope == mail
