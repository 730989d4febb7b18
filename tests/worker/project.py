"""The settings of a small project, and its queue seen from outside."""

from typing import Any

from django.test import override_settings
from kombu import Message

from mailqueue.broker import ringer
from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import mail_queue


def project_settings(queue: str, port: int, **options: Any) -> override_settings:
    """Return settings with a queue mailer and the SMTP server on `port` as its target."""
    options = {"using": "smtp", "queue": queue, "ledger": None} | options
    smtp = {"host": "127.0.0.1", "port": port, "timeout": 5}
    return override_settings(
        MAILERS={
            "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options},
            "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp},
        }
    )


def next_task(queue: str) -> Message | None:
    """Take the next task from the broker, where all is that was to be."""
    ringer.flush()
    with publisher().producer() as producer:
        bound = mail_queue(queue, quorum=publisher().rabbitmq)(producer.channel)
        bound.declare()
        return bound.get(no_ack=True)


def queued(queue: str) -> str:
    """Take the next task from the broker; return its argument."""
    [[argument], _, _] = next_task(queue).payload
    return argument


def dead(queue: str) -> list[DeadLetter]:
    """Return the dead letters of a mail queue."""
    return list(peek(publisher(), queue=queue))
