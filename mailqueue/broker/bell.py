"""The doorbell of the ledger: a message that says that mail on a queue is due, and nothing else.

A ring may be lost, doubled or merged: whoever hears one looks into the table, and a timer in every
worker rings for what is due. So a broker that is away delays mail and keeps nobody waiting.
"""

import json
import logging
import os
import threading
import time

from mailqueue.broker.publish import publisher
from mailqueue.errors import PublishError

# Seconds in which a process does not try a broker that did not take its last ring.
SILENCE = 30.0
KEY = "ring"

# Messages on a queue that nobody has taken yet, beside which one more ring brings no mail sooner.
SOME = 20
# They may be mail of another mailer, and many for long, so a process rings once in so many seconds.
AT_LEAST = 60.0

logger = logging.getLogger("mailqueue")


class Bell:
    """Rings, unless the broker was away a moment ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._rung: dict[str, float] = {}

    def ring(self, queue: str, priority: int | None, *, unless_some: bool) -> bool:
        """Publish a ring for a queue; tell whether the broker took it."""
        now = time.monotonic()
        if now < self._silent_until:
            return False
        rung = now < self._rung.get(queue, -AT_LEAST) + AT_LEAST
        try:
            if unless_some and rung and publisher().waiting(queue) >= SOME:
                return False
            publisher().task(ring_text(queue), queue=queue, priority=priority, countdown=0)
        except PublishError as error:
            with self._lock:
                silent, self._silent_until = self._silent_until, time.monotonic() + SILENCE
            if time.monotonic() - silent > SILENCE:  # told once while it lasts
                logger.warning("%s Kept mail waits for a worker's timer.", error)
            return False
        self._silent_until = 0.0
        self._rung[queue] = now
        return True


def ring_text(queue: str) -> str:
    """Return the argument of a task that says: mail on this queue is due."""
    return json.dumps({KEY: queue})


def queue_of_ring(data: object) -> str | None:
    """Return the queue that a ring names, from its data; None if that is no ring."""
    match data:
        case {"ring": str(queue)}:
            return queue
    return None


_bell = Bell()


def ring(queue: str, priority: int | None = None, *, unless_some: bool = False) -> bool:
    """Ring for a queue, `unless_some` messages wait there already; tell whether it was taken."""
    return _bell.ring(queue, priority, unless_some=unless_some)


def _forget() -> None:
    global _bell
    _bell = Bell()


# A forked child must not inherit a lock that somebody holds.
os.register_at_fork(after_in_child=_forget)
