"""What a worker says of itself when the doctor asks, by Celery's remote control.

It holds no content, address or secret.
"""

import time
from typing import Any

from celery.worker import state as worker
from celery.worker.control import inspect_command

from mailqueue.agreement import facts
from mailqueue.bootsteps.screen import taken
from mailqueue.broker.message import TASK
from mailqueue.broker.support import visibility_timeout
from mailqueue.broker.workers import STATE
from mailqueue.lanes import lanes

# What Celery must not change in the task of mail (``task_annotations``).
KEPT = {"acks_late": True, "reject_on_worker_lost": True, "acks_on_failure_or_timeout": False}
RATE = "rate_limit"


@inspect_command(name=STATE, args=[("challenge", str)], signature="<challenge>")
def tell(state: Any, challenge: str = "", **kwargs: Any) -> dict[str, Any]:
    """What this worker has to do with mail, and proofs of its keys."""
    return {
        **facts(challenge, lanes().values()),
        "taken": dict(taken),
        "busy": busy(),
        "changed": changed(state.app.tasks[TASK]),
        "visibility_timeout": visibility_timeout(),
    }


def busy() -> float | None:
    """Return the seconds that the oldest mail task in hand has taken; None if there is none."""
    begun = [
        request.time_start or time.time()
        for request in set(worker.active_requests)
        if request.task_name == TASK
    ]
    return max(0.0, time.time() - min(begun)) if begun else None


def changed(task: Any) -> list[str]:
    """Return what of the task of mail is not as it must be."""
    found = [name for name, value in KEPT.items() if getattr(task, name) is not value]
    return found + ([] if task.rate_limit in (None, "0", 0) else [RATE])
