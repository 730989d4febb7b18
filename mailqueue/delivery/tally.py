"""What became of the mails of one task; to Celery a task succeeded that put off each of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mailqueue import signals
from mailqueue.log import BORN_OF_A_LOG, logger

NAMES = ("sent", "deferred", "dead")


class Tally:
    """How many mails were sent, deferred and given up, counted as the signals are.

    A mail whose recipients fared differently is in several of the counts.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.mails: set[object] = set()

    def count(self, name: str, mail: str) -> None:
        """Count a mail by the id that was queued; what could not be read has none."""
        self.counts[name] += 1
        self.mails.add(mail or object())

    def __str__(self) -> str:
        return ", ".join(f"{self.counts[name]} {name}" for name in NAMES if self.counts[name])


_current: ContextVar[Tally | None] = ContextVar("mailqueue_tally", default=None)


@contextmanager
def tallied(task: str) -> Iterator[Tally]:
    """Count what becomes of mails inside; warn at the end if not all of several were sent.

    ``task`` names the task in Celery's own lines. Of a single mail its own line says it all.
    """
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)
        if len(tally.mails) > 1 and (tally.counts["deferred"] or tally.counts["dead"]):
            logger.warning("Mails of task %s: %s.", task, tally)


def count(name: str, facts: dict[str, Any]) -> None:
    """Count a mail, unless it tells of a line of ours: no line is to come of that one."""
    tally, mail = _current.get(), facts.get("origin", facts["id"])
    if tally is not None and not mail.startswith(BORN_OF_A_LOG):
        tally.count(name, mail)


def count_sent(**facts: Any) -> None:
    count("sent", facts)


def count_deferred(**facts: Any) -> None:
    count("deferred", facts)


def count_dead(**facts: Any) -> None:
    count("dead", facts)


signals.sent.connect(count_sent)
signals.deferred.connect(count_deferred)
signals.dead.connect(count_dead)
