"""Celery's eager mode: a web process without broker or worker, and mail that cannot go at once."""

import json
import os
import subprocess
import sys

import pytest

from mailqueue.demo.sink import Sink
from mailqueue.ledger.models import Entry, State
from tests.chaos.conftest import only
from tests.chaos.site import Site
from tests.procnodes import free_port

PATIENCE = 20.0  # seconds for one call; the sender hung for 600 once


def send(site: Site, *mails: tuple[str, str, int]) -> list[tuple[object, float]]:
    """Send from a process of its own; return what each call told, and its seconds."""
    sender = subprocess.run(
        [sys.executable, "-m", "tests.chaos.eager"],
        input="\n".join(json.dumps(mail) for mail in mails),
        env=os.environ | site.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE * len(mails),
        check=False,
    )
    assert sender.returncode == 0, sender.stderr
    assert "RecursionError" not in sender.stderr
    told = [json.loads(line) for line in sender.stdout.splitlines()]
    assert len(told) == len(mails)
    print(f"\n    {told}")
    return [(what, seconds) for what, seconds in told]


MAILS = (
    ("default", "good@example.test", 0),
    ("default", "grey@example.test", 0),
    ("default", "later@example.test", 6),
    ("away", "away@example.test", 0),
    ("default", "last@example.test", 0),
)


@pytest.fixture
def eager(site: Site, sink: Sink) -> Site:
    site.celery = {"task_always_eager": True}
    sink.answer("RCPT", "451 4.7.1 Greylisted", to="grey@example.test", times=100)
    # Longer than a turn, and so short that whoever tries again and again would be seen.
    site.lane(sink, retry={"schedule": [0.5]})
    site.lane(free_port(), "away", retry={"schedule": [0.5]})
    return site


@only("bare-redis")
def test_bare_each_mail_has_one_attempt_and_each_error_is_told(eager: Site, sink: Sink) -> None:
    told = send(eager, *MAILS)
    (good, _), (grey, _), (later, _), (away, _), (last, _) = told
    assert (good, last) == (1, 1)
    assert str(grey).startswith("PublishError: 1 of 1 failed for now")
    assert str(later).startswith("PublishError: task_always_eager has no queue")
    assert str(away).startswith("PublishError: 1 of 1 failed for now")
    assert max(seconds for _, seconds in told) < PATIENCE
    assert sink.copies() == {"good@example.test": 1, "last@example.test": 1}
    assert sink.attempts["grey@example.test"] == 1


@only("ledger-redis")
def test_with_the_ledger_all_is_kept_and_what_waits_is_in_the_table(
    eager: Site, sink: Sink
) -> None:
    told = send(eager, *MAILS)
    assert [what for what, _ in told] == [1] * len(MAILS)
    assert max(seconds for _, seconds in told) < PATIENCE
    assert sink.copies() == {"good@example.test": 1, "last@example.test": 1}
    # Each call that rings may try it once more, as its wait is over.
    assert 1 <= sink.attempts["grey@example.test"] <= len(MAILS)
    states = sorted(Entry.objects.values_list("state", flat=True))
    assert states == [State.DEFERRED] * 3 + [State.SENT] * 2
    assert Entry.objects.get(mailer="away").attempts == 0  # its relay is away: not its fault
