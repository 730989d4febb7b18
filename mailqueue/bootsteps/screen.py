"""Looks at each message on a mail queue before Celery does.

Celery drops what it does not know, dumps it into the log, or stops because of it. Here it becomes
a dead letter, whole. Mail of ours passes untouched.
"""

import base64
from collections.abc import Callable, Container, Iterable
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu import Message
from kombu.exceptions import KombuError
from kombu.serialization import loads

from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import DELIVERY_LIMIT
from mailqueue.errors import PublishError
from mailqueue.lanes import queue_names

JSON = "application/json"


class Screen(bootsteps.StartStopStep):
    """The step of a worker's consumer that puts the look before Celery's own handler."""

    requires = (Tasks,)

    def start(self, consumer: Any) -> None:
        names = queue_names()
        make_handler = type(consumer).create_task_handler

        def create_task_handler(*args: Any, **kwargs: Any) -> Callable[[Message], None]:
            handle = make_handler(consumer, *args, **kwargs)
            return lambda message: screen(message, handle, names, consumer.strategies)

        def on_decode_error(message: Message, error: Exception) -> None:
            if queue := queue_of(message, names):
                set_aside(message, "undecodable: not decodable", queue)
            else:
                consumer.on_decode_error(message, error)

        consumer.create_task_handler = create_task_handler
        consumer.task_consumer.on_decode_error = on_decode_error


def screen(
    message: Message,
    handle: Callable[[Message], None],
    names: Iterable[str],
    known: Container[str],
) -> None:
    """Hand a message to Celery, or set it aside if Celery could not make a task of it."""
    queue = queue_of(message, names)
    reason = worn_out(message) or defect(message, known) if queue else None
    if queue and reason:
        set_aside(message, reason, queue)
    else:
        handle(message)


def set_aside(message: Message, reason: str, queue: str) -> None:
    content, encoding = text_of(message.body)
    letter = DeadLetter(content=content, encoding=encoding, reason=reason)
    try:
        park(letter, publisher(), queue=queue)
    except PublishError:
        message.requeue()
    else:
        message.ack()


def queue_of(message: Message, names: Iterable[str]) -> str | None:
    """Return the mail queue that a message came by; a delayed one has its delay before the name."""
    key = str((message.delivery_info or {}).get("routing_key", ""))
    return next((name for name in names if key == name or key.endswith(f".{name}")), None)


def worn_out(message: Message) -> str | None:
    """Tell whether RabbitMQ would make a dead letter of it the next time, without a word."""
    count = (message.headers or {}).get("x-delivery-count", 0)
    if not isinstance(count, int) or count < DELIVERY_LIMIT:
        return None
    return f"came back {count} times from workers that died or could not finish it"


def defect(message: Message, known: Container[str]) -> str | None:
    """Tell what keeps a message from being a task of this worker; None if nothing does."""
    headers = message.headers or {}
    if headers.get("task") not in known:
        return "undecodable: unknown task"
    if not isinstance(headers.get("id"), str):
        return "undecodable: no task id"
    if message.content_type != JSON or "compression" in headers:
        return "undecodable: not JSON"
    return body_defect(message)


def body_defect(message: Message) -> str | None:
    try:
        body = loads(message.body or "", JSON, message.content_encoding or "utf-8", accept={JSON})
        args, kwargs, _embed = body
    except (KombuError, TypeError, ValueError, LookupError, RecursionError):
        return "undecodable: not the body of a task"
    if kwargs or not isinstance(args, list) or [type(arg) for arg in args] != [str]:
        return "undecodable: not the argument of mail"
    return None


def text_of(body: object) -> tuple[str, str]:
    """Return a body as text, and how to get it back from that."""
    if isinstance(body, str):
        return body, "text"
    data = bytes(body) if isinstance(body, bytes | bytearray | memoryview) else repr(body).encode()
    try:
        return data.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"
