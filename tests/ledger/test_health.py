"""Whether mail waits too long in the ledger, asked on each database."""

import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from mailqueue.health import health
from mailqueue.ledger import watching
from mailqueue.ledger.models import Entry, State
from tests.ledger.databases import To
from tests.ledger.mails import NEVER, envelope, finish, record, settled, start


def test_clocks_of_one_machine(table):
    assert abs(watching.ahead()) < 2


def test_how_long_mail_has_waited(ledger):
    assert watching.waiting(["m"]) == 0.0
    mail = envelope()
    record(ledger, mail)
    assert watching.waiting(["other"]) == 0.0
    late(60)
    assert 59 < watching.waiting([ledger.mailer]) < 120
    record(ledger, envelope(due_at=time.time() + 9999))  # nobody has that in hand
    assert not watching.is_worked_on([ledger.mailer])
    ledger.claim(limit=1)
    assert watching.waiting([ledger.mailer]) == 0.0
    assert watching.is_worked_on([ledger.mailer])
    late(60)  # the lease is over
    assert watching.waiting([ledger.mailer]) > 59
    assert not watching.is_worked_on([ledger.mailer])


def late(seconds: float) -> None:
    Entry.objects.update(due_at=timezone.now() - timedelta(seconds=seconds))


def test_dead_letters_are_counted_no_further_than_is_asked(ledger):
    for _ in range(3):
        mail = envelope()
        finish(ledger, start(ledger, mail), settled(mail, a=NEVER))
    assert watching.dead_up_to([ledger.mailer], 9) == 3
    assert watching.dead_up_to([ledger.mailer], 2) == 2
    assert watching.dead_up_to(["other"], 9) == 0


def test_mail_that_waits_or_died_is_not_well(project, table):
    assert health(max_dead=0).parts == {
        "broker": "",
        "ledger": "",
        "ledger_wait": "",
        "ledger_dead": "",
    }
    project.send()
    assert health().ok
    late(700)
    found = health()
    assert not found.ok
    assert found.parts["ledger_wait"].startswith("a mail has been due for 70")
    assert health(max_wait=800).ok
    Entry.objects.update(state=State.DEAD, due_at=None)
    assert health().ok
    assert health(max_dead=1).ok
    assert health(max_dead=0).parts["ledger_dead"] == "more than 0 dead letters"


@pytest.fixture
def elsewhere(tmp_path):
    """Send the ledger to an SQLite database of which the test says the path."""

    def send(path):
        own = {**connections.settings["default"], "NAME": str(tmp_path / path)}
        connections.settings["elsewhere"] = own
        return override_settings(DATABASE_ROUTERS=[To("elsewhere")])

    yield send
    del connections.settings["elsewhere"]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("new.sqlite3", "its table lacks a migration: run 'manage.py migrate'"),
        ("no/folder/db", "cannot be asked: OperationalError"),
    ],
)
def test_a_database_that_is_not_migrated_or_away(
    celery_app, lane, sink, elsewhere, django_db_blocker, path, wrong
):
    from tests.ledger.projects import Project

    with django_db_blocker.unblock(), elsewhere(path), Project(sink, lane):
        found = health()
    assert found.parts == {"broker": "", "ledger": wrong}
