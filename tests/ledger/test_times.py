"""Just before a mail goes: is it still wanted, and does its claim outlast it?"""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from django.utils.timezone import now

from mailqueue.broker import bell
from mailqueue.delivery import work as work_module
from mailqueue.demo.sink import Stall
from mailqueue.ledger.models import Entry, State
from mailqueue.relay import relay
from mailqueue.scheduling import LONGEST, queue_options
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import worker_keys
from tests.ledger.projects import Project, in_thread, message
from tests.waiting import until

DJANGOS = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(params=["ours", "Django's"])
def slow(request, project) -> Project:
    """A project with an SMTP backend of each kind."""
    mailers = project.mailers()
    if request.param == "Django's":
        mailers["smtp"]["BACKEND"] = DJANGOS
    with override_settings(MAILERS=mailers):
        yield project


def test_what_expires_in_the_hands_of_a_worker_is_not_sent(slow):
    stall = Stall()
    slow.sink.answer("RCPT", stall)
    until_then = now() + timedelta(seconds=1.5)
    mails = [queue_options(message(f"{n}@example.test"), expires=until_then) for n in range(6)]
    slow.send(message("in-time@example.test"), *mails)  # so that one goes on a slow machine, too
    [ring] = slow.take()
    thread = in_thread(ring)
    assert stall.reached.wait(30)
    until(lambda: now() > until_then)
    stall.release()
    thread.join()
    assert sum(slow.sink.copies().values()) <= 2
    assert set(Entry.objects.values_list("state", "reason")) <= {
        (State.SENT, ""),
        (State.DEAD, "expired"),
    }
    assert Entry.objects.filter(state=State.DEAD).count() >= 5


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("send_at", datetime.max),
        ("expires", datetime(9999, 1, 1, tzinfo=UTC)),
        ("expires", timedelta.max),
    ],
)
def test_a_time_that_no_worker_would_take_is_an_error_for_the_caller(name, time):
    with pytest.raises(ValueError, match=f"'{name}' must be"):
        queue_options(message("a@example.test"), **{name: time})


@pytest.mark.parametrize(
    "options",
    [
        {"send_at": datetime(9998, 12, 31, tzinfo=UTC)},
        {"send_at": datetime(1, 1, 2, tzinfo=UTC)},
        {"expires": LONGEST},
        {"expires": datetime(1969, 1, 1, tzinfo=UTC)},
        {"expires": -LONGEST},
    ],
    ids=str,
)
def test_any_other_time_travels(project, options):
    project.send(queue_options(message("a@example.test"), **options))
    [entry] = Entry.objects.all()
    assert unpack(entry.payload, worker_keys()).id == entry.id


def test_what_its_claim_does_not_outlast_is_given_back_untried(slow, monkeypatch):
    """Stopped for longer than its lease, a worker sends no more than what it was sending."""
    stall = Stall()
    slow.sink.answer("RCPT", stall)
    slow.send(*(message(f"{n}@example.test") for n in range(5)))
    ahead = [0.0]
    clock = {"monotonic": lambda: time.monotonic() + ahead[0], "sleep": time.sleep}
    monkeypatch.setattr(work_module, "time", SimpleNamespace(time=time.time, **clock))
    [ring] = slow.take()
    thread = in_thread(ring)
    assert stall.reached.wait(30)
    ahead[0] = 2000.0
    stall.release()
    thread.join()
    assert sum(slow.sink.copies().values()) <= 1
    assert Entry.objects.filter(state=State.DEFERRED, attempts=0, handed=0).count() >= 4
    ahead[0] = 0.0
    bell.forget()
    relay()
    slow.work()
    assert set(slow.sink.copies().values()) == {1}


def test_a_lease_that_ends_before_a_mail_must_is_told(project):
    assert "mailqueue.E005" not in [found.id for found in run_checks()]
    with project.using(lease=60):
        [error] = [found for found in run_checks() if found.id == "mailqueue.E005"]
    assert "MAILERS['default']: 'lease' must be a number of seconds above" in error.msg
    assert "got 60" in error.msg
    with project.using(lease=60, ledger=None):
        assert "mailqueue.E005" not in [found.id for found in run_checks()]
