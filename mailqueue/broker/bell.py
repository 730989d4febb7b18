"""The doorbell of the ledger: a message that says that mail on a queue is due, and nothing else.

A ring may be lost, doubled or merged: whoever hears one looks into the table, and a timer in every
worker rings for what is due. So a broker that is away delays mail and keeps nobody waiting.
"""

import os
import threading
import time

from celery import Celery

from mailqueue.broker import eager
from mailqueue.broker.message import body_of, ring_of
from mailqueue.broker.publish import carrier_app, publisher_of
from mailqueue.errors import PublishError
from mailqueue.log import logger

# Seconds in which a process does not try a broker that did not take its last ring.
SILENCE = 10.0

# Messages on a queue that nobody has taken yet, beside which one more ring brings no mail sooner.
SOME = 20
# They may be mail of another mailer, and many for long, so a process rings once in so many seconds.
AT_LEAST = 60.0


class Bell:
    """Rings, unless the broker was away a moment ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = float("-inf")
        self._rung: dict[str, float] = {}

    def ring(
        self,
        queue: str,
        priority: int | None = None,
        *,
        app: Celery | None = None,
        unless_some: bool = False,
    ) -> bool:
        """Publish a ring for a queue; tell whether the broker took it."""
        now = time.monotonic()
        if now < self._silent_until:
            return False
        rung = now < self._rung.get(queue, -AT_LEAST) + AT_LEAST
        try:
            app = app or carrier_app()
            if eager.is_eager(app):
                eager.run_out(app, ring_of(queue))
            elif unless_some and rung and publisher_of(app).waiting(queue) >= SOME:
                return False
            else:
                body = body_of(ring_of(queue))
                publisher_of(app).task(body, queue=queue, priority=priority, countdown=0)
        except Exception as error:  # noqa: BLE001 (the mail is kept: nobody must think that it is not)
            with self._lock:
                silent, self._silent_until = self._silent_until, time.monotonic() + SILENCE
            if time.monotonic() - silent > SILENCE:  # told once while it lasts
                text = error if isinstance(error, PublishError) else type(error).__name__
                logger.warning("%s Kept mail waits for a worker's timer.", text)
            return False
        self._silent_until = float("-inf")
        self._rung[queue] = now
        return True


_bell = Bell()


def ring(
    queue: str,
    priority: int | None = None,
    *,
    app: Celery | None = None,
    unless_some: bool = False,
) -> bool:
    """Ring for a queue, `unless_some` messages wait there already; tell whether it was taken.

    The app is the one that carries mail here, unless another thread's is given.
    """
    return _bell.ring(queue, priority, app=app, unless_some=unless_some)


def forget() -> None:
    """Begin anew, as a process does that has rung for nothing yet."""
    global _bell
    _bell = Bell()


# A forked child must not inherit a lock that somebody holds.
os.register_at_fork(after_in_child=forget)
