"""The Celery task that carries mail, and what a worker needs to run it."""

import contextlib
from typing import TYPE_CHECKING, Any

from celery import Task, shared_task, signals
from celery.exceptions import Reject
from celery.worker import state
from django.core.exceptions import ImproperlyConfigured

from mailqueue.bootsteps.queues import Queues
from mailqueue.bootsteps.relay import Relay
from mailqueue.bootsteps.screen import Screen
from mailqueue.broker import eager
from mailqueue.broker.message import NO_LIMIT, TASK, queue_of_ring
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import prepare_worker
from mailqueue.delivery.connections import connections
from mailqueue.delivery.follow_up import bury_whole
from mailqueue.delivery.process import process
from mailqueue.delivery.times import lease_fault
from mailqueue.delivery.work import work
from mailqueue.errors import LedgerError, PublishError
from mailqueue.lanes import lanes, queue_names
from mailqueue.log import floods, logger
from mailqueue.mail import InvalidMailer
from mailqueue.options import QueueOptions

if TYPE_CHECKING:
    _Task = Task[[str], None]
else:
    _Task = Task  # cannot be subscripted in Celery 5.5


class MailTask(_Task):
    """Shows no argument to whoever looks at a worker."""

    Request = "mailqueue.bootsteps.request:Request"


@shared_task(
    bind=True,
    base=MailTask,
    name=TASK,
    acks_late=True,
    reject_on_worker_lost=True,
    acks_on_failure_or_timeout=False,
    ignore_result=True,
    store_errors_even_if_ignored=False,
    # What is None here is taken from the project's settings for its own tasks.
    time_limit=NO_LIMIT,
    soft_time_limit=NO_LIMIT,
    rate_limit="0",
)
def deliver(self: MailTask, argument: str) -> None:
    """Deliver a batch, the JSON array of packed envelopes, or answer a ring of the ledger.

    Returning acks it, so by then each mail is sent, published again, or a dead letter.
    """
    if (rung := queue_of_ring(argument)) is not None:
        answer(rung)
        return
    # The screen has put the name of the queue there.
    queue = (self.request.delivery_info or {}).get("routing_key") or QueueOptions.DEFAULT_QUEUE
    try:
        try:
            process(argument, queue=queue)
        except PublishError:
            raise
        except Exception as error:  # noqa: BLE001
            # A defect of ours must neither lose the batch nor send it for ever.
            bury_whole(argument, error, queue=queue)
    except PublishError:
        if eager.attempt.get() is not None:
            raise
        raise Reject("what follows could not be published", requeue=True) from None


def answer(queue: str) -> None:
    """Work on what is due; a ring that fails is none too few, for the timer rings again."""
    try:
        if left := work(queue, stopping=lambda: bool(state.should_stop or state.should_terminate)):
            left.ring()
    except LedgerError as error:
        logger.error("The ledger cannot be asked: %s.", error)
    except Exception as error:  # noqa: BLE001 (a ring is no mail: it must not become a dead letter)
        logger.error("A ring was not answered: %s.", type(error).__name__)


@signals.celeryd_init.connect
def add_queues(instance: Any, **kwargs: Any) -> None:
    """Let a worker know our queues, before it decides which to consume (``-Q``, or all).

    A worker whose MAILERS or SECRET_KEY is wrong does not start. Celery would swallow any other
    exception.
    """
    try:
        names = queue_names()
        for alias, lane in lanes().items():
            if fault := lease_fault(lane):
                raise InvalidMailer(fault, alias=alias)
    except ImproperlyConfigured as error:
        raise SystemExit(f"mailqueue: {error}") from None
    prepare_worker(instance.app, names)
    instance.app.steps["worker"].add(Queues)
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
