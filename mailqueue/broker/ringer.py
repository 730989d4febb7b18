"""Rings for those who send: in a thread, so that none of them waits for the broker.

Mail is safe at its commit, and a ring that is lost with its process delays it by some seconds.
"""

import atexit
import os
import threading
import time
from contextlib import suppress
from typing import NamedTuple

from celery import Celery
from django.db import connections

from mailqueue.broker import bell, eager
from mailqueue.broker.publish import carrier_app, publisher_of
from mailqueue.errors import PublishError

# Seconds between two rings for one queue: one is for all who asked meanwhile.
INTERVAL = 0.03
# Seconds without a ring after which the thread ends: Python warns of a fork beside threads.
IDLE = 1.0
# Seconds after which nobody lives who holds the lock: it is held for a moment.
HELD = 1.0
# Seconds that the end of a process waits for a broker to take the last rings.
FAREWELL = 3.0


class Ring(NamedTuple):
    """What is to be rung. The app is that of who asks: Celery has one for each thread."""

    app: Celery
    queue: str
    priority: int | None


class Ringer:
    """Rings soon, once for all who ask within `INTERVAL`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked: dict[Ring, None] = {}
        self._runs = False
        self._rings = False

    def ask(self, ring: Ring) -> bool:
        """Have it rung; at once, where no thread can be started.

        Returns False where that cannot be asked: the thread was killed with the lock in hand.
        """
        if not self._changed.acquire(timeout=HELD):
            return False
        try:
            self._asked[ring] = None
            self._changed.notify_all()
            if self._runs:
                return True
            try:
                threading.Thread(target=self._run, name="mailqueue-ringer", daemon=True).start()
                self._runs = True
            except RuntimeError:  # too many threads, or an interpreter that ends
                del self._asked[ring]
        finally:
            self._changed.release()
        if not self._runs:
            tell(ring)
        return True

    def will(self, ring: Ring) -> bool:
        """Tell whether somebody has asked for it, and it is not rung yet."""
        return self._runs and ring in self._asked

    def flush(self, seconds: float) -> None:
        """Wait until all is rung, at most so long."""
        if self._changed.acquire(timeout=HELD):
            try:
                self._changed.wait_for(lambda: not self._asked and not self._rings, seconds)
            finally:
                self._changed.release()

    def _run(self) -> None:
        try:
            while asked := self._next():
                try:
                    for ring in asked:
                        tell(ring)
                finally:
                    connections.close_all()  # of a handler that keeps a mail of what we log
                self._rest()
        except BaseException:  # a greenlet that is killed: the next who asks has another one
            with self._changed:
                self._runs = self._rings = False
                self._changed.notify_all()
            raise

    def _next(self) -> list[Ring]:
        """Wait for somebody who asks; return nothing once it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked, IDLE)
            asked, self._asked = list(self._asked), {}
            self._runs = self._rings = bool(asked)
        return asked

    def _rest(self) -> None:
        with self._changed:
            self._rings = False
            self._changed.notify_all()
        time.sleep(INTERVAL)


def tell(ring: Ring) -> None:
    bell.ring(ring.queue, ring.priority, app=ring.app)


_ringer = Ringer()


def ring_soon(queue: str, priority: int | None = None) -> None:
    """Have a queue rung for, without waiting; in eager mode make the attempts now.

    A broker in this process, as tests have one, keeps nobody waiting.
    """
    with suppress(PublishError):
        app = carrier_app()
        ring = Ring(app, queue, priority)
        if _ringer.will(ring):
            return  # the mail was there before; to look into Celery's settings takes much longer
        # The publisher is made here: two threads at once would make two.
        if not (eager.is_eager(app) or publisher_of(app).in_process):
            if not _ringer.ask(ring):
                forget()
                _ringer.ask(ring)
            return
    bell.ring(queue, priority)  # which tells what is wrong


def flush() -> None:
    """Wait until all that was asked for is rung, at most `FAREWELL` seconds."""
    _ringer.flush(FAREWELL)


def forget() -> None:
    """Begin anew, as in a forked process: the parent has the thread, and rings."""
    global _ringer
    _ringer = Ringer()


os.register_at_fork(after_in_child=forget)
atexit.register(flush)
