"""The Celery task that carries mail, and what a worker needs to run it."""

import contextlib
import json
import logging
import re
from typing import Any

from celery import Task, shared_task, signals
from celery.exceptions import Reject
from celery.worker import state
from django.core.exceptions import ImproperlyConfigured

from mailqueue.bootsteps.relay import Relay
from mailqueue.bootsteps.screen import Screen
from mailqueue.broker.bell import queue_of_ring, ring
from mailqueue.broker.publish import TASK, publisher
from mailqueue.broker.queues import prepare_worker
from mailqueue.delivery.connections import connections
from mailqueue.delivery.follow_up import bury_whole
from mailqueue.delivery.process import process
from mailqueue.delivery.work import work
from mailqueue.errors import LedgerError, PublishError
from mailqueue.lanes import queue_names
from mailqueue.log import floods
from mailqueue.options import QueueOptions

# What RabbitMQ's native delays put before the name of a queue.
DELAY = re.compile(r"(?:[01]\.){28}")

# Seconds; a project's own limits are for its tasks. Each attempt has an end by the timeouts of its
# target, and a limit in the midst of it charges mails for a relay that is silent.
TIME_LIMIT = 6 * 3600

logger = logging.getLogger("mailqueue")


@shared_task(
    bind=True,
    name=TASK,
    acks_late=True,
    reject_on_worker_lost=True,
    acks_on_failure_or_timeout=False,
    ignore_result=True,
    store_errors_even_if_ignored=False,
    time_limit=TIME_LIMIT,
    soft_time_limit=TIME_LIMIT - 60,
)
def deliver(self: Task[[str], None], argument: str) -> None:
    """Deliver a batch, the JSON array of packed envelopes, or answer a ring of the ledger.

    Returning acks it, so by then each mail is sent, published again, or a dead letter.
    """
    if (queue := ringing(argument)) is not None:
        answer(queue)
        return
    came_by = str((self.request.delivery_info or {}).get("routing_key") or "")
    try:
        try:
            process(argument, queue=DELAY.sub("", came_by) or QueueOptions.DEFAULT_QUEUE)
        except PublishError:
            raise
        except Exception as error:  # noqa: BLE001
            # A defect of ours must neither lose the batch nor send it for ever.
            bury_whole(argument, error)
    except PublishError:
        raise Reject("what follows could not be published", requeue=True) from None


def ringing(argument: str) -> str | None:
    """Return the queue that a ring names; None if this is no ring."""
    if not argument.startswith("{"):
        return None
    try:
        return queue_of_ring(json.loads(argument))
    except (ValueError, RecursionError):
        return None


def answer(queue: str) -> None:
    """Work on what is due; a ring that fails is none too few, for the timer rings again."""
    try:
        if work(queue, stopping=lambda: bool(state.should_stop or state.should_terminate)):
            ring(queue)
    except LedgerError as error:
        logger.error("The ledger cannot be asked: %s.", error)


@signals.celeryd_init.connect
def add_queues(instance: Any, **kwargs: Any) -> None:
    """Let a worker know our queues, before it decides which to consume (``-Q``, or all).

    A worker whose MAILERS or SECRET_KEY is wrong does not start. Celery would swallow any other
    exception.
    """
    try:
        names = queue_names()
    except ImproperlyConfigured as error:
        raise SystemExit(f"mailqueue: {error}") from None
    prepare_worker(instance.app, names)
    instance.app.steps["consumer"].add(Screen)
    instance.app.steps["consumer"].add(Relay)


@signals.worker_ready.connect
def add_dead_queues(**kwargs: Any) -> None:
    """Declare the dead letter queues, so that RabbitMQ can put its own dead letters there."""
    with contextlib.suppress(PublishError):
        publisher().declare_dead(queue_names())


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def close_connections(**kwargs: Any) -> None:
    connections.close()
    floods.flush()
