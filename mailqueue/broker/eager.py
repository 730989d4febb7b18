"""Celery's eager mode (``task_always_eager``): one attempt in the caller, and no queue at all."""

import dataclasses
from contextvars import ContextVar

from celery import Celery

from mailqueue.broker.message import TASK
from mailqueue.errors import PublishError
from mailqueue.opaque import Opaque


@dataclasses.dataclass(slots=True)
class Attempt:
    """The attempt that runs in this caller; `again` counts what would have to be tried again."""

    again: int = 0


attempt: ContextVar[Attempt | None] = ContextVar("mailqueue_eager_attempt", default=None)


def is_eager(app: Celery) -> bool:
    """Tell whether tasks run in their caller; never so for what a worker's own mail task does."""
    task = app.current_worker_task
    return bool(app.conf.task_always_eager) and (task is None or task.name != TASK)


def run(app: Celery, argument: str, *, mails: int, countdown: float) -> None:
    """Make the one attempt; `PublishError` for mail that would have to wait for another.

    Called from inside an attempt it only counts: there is nobody who could try again later.
    """
    if (current := attempt.get()) is not None:
        current.again += mails
        return
    if countdown > 0:
        raise PublishError("task_always_eager has no queue in which a mail can wait (send_at).")
    if again := _attempt(app, argument):
        raise PublishError(
            f"{again} of {mails} failed for now, and task_always_eager has no queue"
            " for another attempt."
        )


def run_out(app: Celery, argument: str) -> None:
    """Run a task again and again until it asks for no other: a ring until nothing is due."""
    if (current := attempt.get()) is not None:
        current.again += 1
        return
    while _attempt(app, argument):
        pass


def _attempt(app: Celery, argument: str) -> int:
    current = Attempt()
    token = attempt.set(current)
    try:
        app.tasks[TASK](Opaque(argument))
    finally:
        attempt.reset(token)
    return current.again
