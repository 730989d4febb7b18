"""The relay inside every worker: no process of its own to start, or to forget."""

import logging
import random
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from django.db import connections

from mailqueue.ledger.selection import is_installed
from mailqueue.relay import INTERVAL, purge, relay

logger = logging.getLogger("mailqueue")


class Relay(bootsteps.StartStopStep):
    """The step of a worker's consumer that publishes what the database ledger has due."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self.timer: Any = None
        super().__init__(consumer, **kwargs)

    def include_if(self, consumer: Any) -> bool:
        return is_installed()

    def start(self, consumer: Any) -> None:
        # Workers that start together should not look together.
        interval = INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
        self.timer = consumer.timer.call_repeatedly(interval, publish_and_purge)

    def stop(self, consumer: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def publish_and_purge() -> None:
    """Publish what is due and delete some of what is old; never raises."""
    try:
        relay()
        purge()
    except Exception as error:  # noqa: BLE001 (a relay that stops is worse than any of its errors)
        logger.error("The relay failed: %s.", type(error).__name__)
    finally:
        # A child that the pool forks later must not find a connection of its parent's.
        connections.close_all()
