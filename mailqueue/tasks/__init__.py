"""The Celery task that carries mail.

Every process in which Django has started knows it, so that no worker takes mail for the task of
nobody. What it needs to run is imported by a worker that starts, before it forks, and by no other.

run      what the task does
prepare  what a worker needs before it can
"""

from typing import TYPE_CHECKING, Any

from celery import Task, shared_task, signals

from mailqueue.broker.message import NO_LIMIT, TASK
from mailqueue.opaque import Opaque

if TYPE_CHECKING:
    _Task = Task[[Opaque[str]], str]
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
def deliver(self: MailTask, argument: Opaque[str], *more: Opaque[str]) -> str:
    """Deliver a batch, the JSON array of packed envelopes, or answer a ring of the ledger.

    With `more`, batches that came one by one and that the worker gathered.

    Returning acks it, so by then each mail is sent, published again, or a dead letter. What it
    returns says how many: Celery shows that beside its word that the task succeeded.
    """
    from mailqueue.tasks.run import run

    return run(self.request, argument, *more)


@signals.celeryd_init.connect
def worker_starts(instance: Any, **kwargs: Any) -> None:
    """Prepare a worker that starts."""
    try:
        from mailqueue.tasks.prepare import prepare
    except ImportError as error:  # Celery would log it, and start a worker without our steps
        raise SystemExit(f"mailqueue: {error}") from error
    prepare(instance)
