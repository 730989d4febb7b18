"""Which of our queues a worker knows, once it is clear which ones it consumes."""

from typing import Any

from celery import bootsteps

from mailqueue.broker.queues import accepts_json, keep_to_consumed
from mailqueue.lanes import queue_names
from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.table import table_fault


class Queues(bootsteps.Step):
    """The step of a worker that is made after its queues are chosen, and before its consumer."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        names = queue_names()
        consumed = keep_to_consumed(worker.app, names)
        if consumed and not accepts_json(worker.app):
            raise SystemExit(
                "mailqueue: accept_content lacks 'json', in which mail travels; add it, or start"
                " this worker with -Q and without the mail queues."
            )
        if consumed and is_installed() and (fault := table_fault()):
            raise SystemExit(f"mailqueue: {fault}")
        super().__init__(worker, **kwargs)
