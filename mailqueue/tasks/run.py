"""Run the task of mail: batches that came, or a ring."""

from collections.abc import Sequence
from typing import Any

from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.worker import state

from mailqueue.broker import eager
from mailqueue.broker.message import TASK, queue_of_ring
from mailqueue.delivery.follow_up import bury_whole
from mailqueue.delivery.process import process
from mailqueue.delivery.tally import tallied
from mailqueue.delivery.work import work
from mailqueue.errors import LedgerError, PublishError
from mailqueue.frames import place_of
from mailqueue.ledger.connection import kept_connection
from mailqueue.log import logger
from mailqueue.opaque import Opaque
from mailqueue.options import QueueOptions


def run(request: Any, argument: Opaque[str], *more: Opaque[str]) -> str:
    """Deliver batches or answer a ring, as `tasks.deliver` says; return how many mails it was."""
    with tallied(f"{TASK}[{request.id}]") as tally:
        if (rung := queue_of_ring(argument.value)) is not None:
            answer(rung)
        else:
            # The screen has put the name of the queue there.
            info = request.delivery_info or {}
            queue = info.get("routing_key") or QueueOptions.DEFAULT_QUEUE
            deliver_batches((argument, *more), queue)
    return str(tally)


def deliver_batches(batches: Sequence[Opaque[str]], queue: str) -> None:
    """Deliver batches that came by a queue; `Reject` gives them back to the broker."""
    try:
        if defect := processed(batches, queue):
            for batch in batches:
                bury_whole(batch, defect, queue=queue)
    except (PublishError, SoftTimeLimitExceeded) as error:
        if eager.attempt.get() is not None:
            raise
        limit = isinstance(error, SoftTimeLimitExceeded)
        reason = "its time was over" if limit else "what follows could not be published"
        raise Reject(reason, requeue=True) from None


def processed(batches: Sequence[Opaque[str]], queue: str) -> str:
    """Deliver batches; return what defect of ours has stopped that, "" for none.

    It must neither lose one nor send it for ever. Raises `PublishError`, and the soft time limit
    of whoever has set one all the same: that is no defect of a mail.
    """
    try:
        process(*batches, queue=queue)
    except (PublishError, SoftTimeLimitExceeded):
        raise
    except Exception as error:  # noqa: BLE001
        return place_of(error)
    return ""


def answer(queue: str) -> None:
    """Work on what is due; a ring that fails is none too few, for the timer rings again."""
    try:
        with kept_connection():
            left = work(queue, stopping=stopping)
        if left:
            left.ring()
    except LedgerError as error:
        logger.error("The ledger cannot be asked: %s.", error)
    except Exception as error:  # noqa: BLE001 (a ring is no mail: it must not become a dead letter)
        defect = type(error).__name__
        del error  # whoever hears the line may look at the variables here
        logger.error("A ring was not answered: %s.", defect)


def stopping() -> bool:
    """Tell whether the worker is to end."""
    return bool(state.should_stop or state.should_terminate)
