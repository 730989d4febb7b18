"""The table changes under mails in flight: what this version wrote is read after, and by both."""

from collections.abc import Iterator

import pytest
from django.db import connections, models

from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry, State
from mailqueue.wire.envelope import pack
from mailqueue.wire.reference import Reference
from mailqueue.wire.signature import keys_from_settings
from tests.ledger.mails import SENT, envelope, options, settled


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


def test_old_workers_go_on_after_a_column_was_added(table, newer):
    keys = keys_from_settings()
    ledger = DatabaseLedger(options(), keys_from_settings())
    first, second, third = envelope(), envelope(), envelope()
    ledger.record([(each, pack(each, keys)) for each in (first, second)])
    [in_flight] = ledger.claim([Reference(id=first.id, mailer="default")])

    newer()

    ledger.record([(third, pack(third, keys))])
    assert ledger.finish(in_flight, settled(first, a=SENT)) == ()
    for each in (second, third):
        [claim] = ledger.claim([Reference(id=each.id, mailer="default")])
        assert ledger.finish(claim, settled(each, a=SENT)) == ()
    assert Entry.objects.filter(state=State.SENT).count() == 3


def test_what_was_sent_is_not_sent_again_when_its_envelope_is_replayed(table):
    ledger = DatabaseLedger(options(), keys_from_settings())
    once = envelope()
    [claim] = ledger.claim([once])
    ledger.finish(claim, settled(once, a=SENT))
    assert ledger.claim([once]) == []
