"""The task with mail, in this process: what it sends, buries and puts back is seen at once."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.test import override_settings

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.broker.dead import each
from mailqueue.broker.publish import publisher
from mailqueue.delivery.deliver import breakers
from mailqueue.smtp.rendering import render
from mailqueue.testing.memory import queue_in_memory
from tests.project_app import run_task
from tests.worker.project import next_task

QUEUE = "mailqueue"


class Sent(NamedTuple):
    recipients: list[str]
    content: bytes


class Recorder(BaseEmailBackend):
    """Renders as SMTP does, and keeps it."""

    sent: list[Sent] = []

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for message in email_messages:
            self.sent.append(Sent(message.recipients(), render(message)))
        return len(email_messages)


class Outcome(NamedTuple):
    """What came of a batch: mails that were sent, dead letters as they came, what waits."""

    sent: list[Sent]
    dead: list[str]
    waiting: list[str]


def deliver(argument: str) -> Outcome:
    """Run the task; return what came of it."""
    Recorder.sent.clear()
    run_task(argument)
    waiting, dead = [], []
    while message := next_task(QUEUE):
        [[text], _, _] = message.payload
        waiting += json.loads(text)
    for found, letter in each(publisher(), QUEUE):
        dead.append(letter.content)
        found.ack()
    return Outcome(list(Recorder.sent), dead, waiting)


@contextmanager
def recording(**options: Any) -> Iterator[None]:
    """Make this process a worker whose target is a `Recorder`."""
    queue = {"using": "recorder", "ledger": None, "queue": QUEUE} | options
    mailers = {
        "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": queue},
        "recorder": {"BACKEND": f"{__name__}.Recorder"},
    }
    breakers.clear()
    with override_settings(MAILERS=mailers), queue_in_memory():
        yield
    breakers.clear()
