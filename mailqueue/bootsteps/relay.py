"""The relay inside every worker: no process of its own to start, or to forget."""

import random
import threading
import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from django.db import connections

from mailqueue.ledger.selection import is_installed
from mailqueue.log import logger
from mailqueue.relay import INTERVAL, prepare, purge, relay

PATIENCE = 60.0  # seconds until a round that hangs is left alone and another one is begun
MOST = 3  # rounds that may hang; each has a thread and, perhaps, a connection


class Relay(bootsteps.StartStopStep):
    """The step of a worker's consumer that runs the relay now and then.

    Each round has a thread of its own, so that a database that is silent neither stops the
    worker's event loop nor its end.
    """

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self.timer: Any = None
        self.rounds: list[threading.Thread] = []
        self.begun = 0.0
        super().__init__(consumer, **kwargs)

    def include_if(self, consumer: Any) -> bool:
        return is_installed()

    def start(self, consumer: Any) -> None:
        # Workers that start together should not look together.
        interval = INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
        self.timer = consumer.timer.call_repeatedly(interval, self.begin)

    def stop(self, consumer: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def begin(self) -> None:
        """Begin a round, unless one is still running and has not hung."""
        self.rounds = [one for one in self.rounds if one.is_alive()]
        if self.rounds and time.monotonic() - self.begun < PATIENCE:
            return
        self.begun = time.monotonic()
        if self.rounds:
            logger.error("The relay hangs: the database has not answered for %.0f s.", PATIENCE)
        if len(self.rounds) < MOST:
            self.rounds.append(threading.Thread(target=run, name="mailqueue-relay", daemon=True))
            self.rounds[-1].start()


def run() -> None:
    """Run one round; never raises."""
    try:
        prepare()
        relay()
        purge()
    except Exception as error:  # noqa: BLE001 (a relay that stops is worse than any of its errors)
        defect = type(error).__name__
        del error  # whoever hears the line may look at the variables here
        logger.error("The relay failed: %s.", defect)
    finally:
        # A child that the pool forks later must not find a connection of its parent's.
        connections.close_all()
