"""What the doctor finds of the ledger."""

import datetime
import time
import types

import pytest
from django.utils import timezone

from mailqueue.doctor import ledgers, paused
from mailqueue.lanes import lanes
from mailqueue.ledger import pauses, watching
from mailqueue.ledger.models import Entry, State
from tests.doctor.shop import Shop, queue_to, smtp
from tests.worker.project import project_settings

LONG_AGO = datetime.timedelta(minutes=10)


@pytest.fixture
def look(db):
    with project_settings("mail", 1, ledger="database"):
        yield lambda: [(each.id, each.about) for each in ledgers.look(list(lanes().values()))]


def kept(mailer="default", *, ago=LONG_AGO, **values):
    now = timezone.now()
    values = {"state": State.QUEUED, "queued_at": now, "due_at": now - ago} | values
    return Entry.objects.create(id=f"{mailer}-{Entry.objects.count()}", mailer=mailer, **values)


def test_mail_that_nobody_works_on(look):
    assert look() == []
    kept(ago=datetime.timedelta(seconds=30))
    assert look() == []  # the next round of a relay rings for it
    kept()
    assert look() == [("mail-overdue", "MAILERS['default']")]
    kept(state=State.SENDING, ago=-LONG_AGO)
    assert look() == []


def test_a_mailer_that_somebody_paused(look):
    kept()
    pauses.pause("default")
    assert look() == []
    [finding] = paused.look(list(lanes().values()))
    assert (finding.id, finding.about) == ("mailer-paused", "MAILERS['default']")
    assert watching.waiting(["default"]) == 0
    pauses.resume("default")
    assert list(paused.look(list(lanes().values()))) == []
    assert look() == [("mail-overdue", "MAILERS['default']")]


@pytest.mark.parametrize("state", [State.SENT, State.DEAD, State.CANCELLED])
def test_mail_that_has_an_end_waits_for_nobody(look, state):
    kept(state=state, due_at=None)
    assert look() == []


def test_mail_of_a_mailer_that_is_not_there(look):
    kept("gone")
    assert look() == [("mail-of-nobody", "MAILERS['gone']")]


@pytest.mark.parametrize(("ahead", "found"), [(60, True), (-60, True), (1, False)])
def test_a_clock_that_differs_from_the_databases(look, monkeypatch, ahead, found):
    clock = types.SimpleNamespace(time=lambda: time.time() + ahead)
    monkeypatch.setattr(watching, "time", clock)
    assert look() == ([("database-clock", "DATABASES['default']")] if found else [])


@pytest.mark.parametrize(
    ("database", "found"),
    [
        ("no/such/folder/db", ["broker-away", "database-away"]),
        ("shop.sqlite3", ["broker-away", "mailqueue.W009"]),
    ],
)
def test_a_database_that_is_away_or_not_migrated(tmp_path, database, found):
    mailers = {"default": queue_to("smtp", "mail"), "smtp": smtp(1)}
    shop = Shop(tmp_path, "redis://127.0.0.1:1", "mail-1", mailers, ledger=True)
    settings = tmp_path / shop.name / "settings.py"
    settings.write_text(settings.read_text().replace("shop.sqlite3", database))
    status, told = shop.doctor("--no-probe")
    assert list(dict.fromkeys(each["id"] for each in told)) == found
    assert {each["about"] for each in told} == {"broker", "DATABASES['default']"}
    assert status == 2
