"""A flood of dead letters is a few lines and a count, and the count is always told."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mailqueue import log, signals


@pytest.fixture
def floods(monkeypatch: pytest.MonkeyPatch) -> Iterator[log.Floods]:
    log.floods.flush()  # what other tests have left to be told later
    fresh = log.Floods()
    monkeypatch.setattr(log, "floods", fresh)
    yield fresh
    fresh.flush()
    for thread in threading.enumerate():  # one that tells just now must not tell the next test
        if isinstance(thread, threading.Timer) and thread.function == fresh.flush:
            thread.cancel()
            thread.join()


def die(mailer: str = "default", reason: str = "no such mailbox", number: int = 1) -> None:
    for count in range(number):
        signals.tell_dead(mailer=mailer, id=f"id{count}", origin=f"id{count}", reason=reason)


def lines(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_few_are_told_one_by_one(floods: log.Floods, caplog: Any) -> None:
    die(number=log.FEW)
    floods.flush()
    assert lines(caplog)[0] == "Mail id0 of mailer 'default': dead letter: no such mailbox."
    assert len(lines(caplog)) == log.FEW


def test_many_are_counted_by_mailer_with_the_most_frequent_reason(
    floods: log.Floods, caplog: Any
) -> None:
    die(number=log.FEW + 7)
    die(reason="expired", number=2)
    die("other", number=1)
    floods.flush()
    assert len(lines(caplog)) == log.FEW + 2
    assert lines(caplog)[-1] == (
        "9 more mails of mailer 'default': dead letter, 7 of them: no such mailbox."
    )


def test_the_count_is_told_when_the_minute_is_over(
    floods: log.Floods, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MINUTE", 0.05)
    told = threading.Event()

    class Waits(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "more mails of" in record.getMessage():
                told.set()

    handler = Waits()
    log.logger.logger.addHandler(handler)
    try:
        die(number=log.FEW + 1)
        assert told.wait(10)
    finally:
        log.logger.logger.removeHandler(handler)


def test_the_next_minute_begins_anew(
    floods: log.Floods, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 70))
    monkeypatch.setattr(log.time, "monotonic", lambda: float(next(clock)))
    die(number=3 * log.FEW)
    assert len(lines(caplog)) == 3 * log.FEW


def test_many_threads_lose_no_count(floods: log.Floods, caplog: Any) -> None:
    threads = [threading.Thread(target=die, kwargs={"number": 50}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    floods.flush()
    assert len(lines(caplog)) == log.FEW + 1
    assert lines(caplog)[-1].startswith(f"{400 - log.FEW} more mails")


def test_a_forked_process_counts_for_itself(floods: log.Floods) -> None:
    die(number=log.FEW + 5)
    floods.forget()
    assert floods._counted == {}
