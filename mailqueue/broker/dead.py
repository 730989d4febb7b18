"""Dead letters: what was given up, with its bytes and the reason, on a queue beside the mail."""

import base64
import dataclasses
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from kombu import Message

from mailqueue import signals
from mailqueue.broker.publish import Publisher
from mailqueue.broker.queues import dead_queue

VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """One mail that will not be tried again, for one or more of its recipients.

    `reason` is a short text of ours, `code` and `enhanced` the relay's (RFC 5321, RFC 3463);
    `content` is the envelope, or whatever came in its place, as it came; `encoding` is "base64"
    where that was no text.
    """

    content: str = dataclasses.field(repr=False)
    reason: str
    encoding: str = "text"
    kind: str = ""
    stage: str = ""
    code: int | None = None
    enhanced: str | None = None
    id: str = ""
    mailer: str = ""
    message_id: str = ""
    attempts: int = 0
    died_at: float = dataclasses.field(default_factory=time.time)


def park(letter: DeadLetter, publisher: Publisher, *, queue: str) -> None:
    """Put a dead letter on the dead letter queue, and tell; headers say why, only the body what.

    Raises `PublishError`.
    """
    headers = {
        "mailqueue-id": letter.id,
        "mailqueue-reason": letter.reason,
        "mailqueue-code": str(letter.code or ""),
    }
    publisher.dead_letter(
        {"v": VERSION, **dataclasses.asdict(letter)}, queue=queue, headers=headers
    )
    signals.tell_dead(
        mailer=letter.mailer,
        id=letter.id,
        origin=letter.id,
        reason=letter.reason,
        message_id=letter.message_id,
        attempts=letter.attempts,
        kind=letter.kind,
        stage=letter.stage,
        code=letter.code,
        enhanced=letter.enhanced,
    )


def peek(publisher: Publisher, *, queue: str, limit: int | None = 1000) -> Iterator[DeadLetter]:
    """Yield the dead letters of a mail queue and leave them there."""
    for _, letter in itertools.islice(each(publisher, queue), limit):
        yield letter


def count(publisher: Publisher, *, queue: str) -> int:
    """Return how many dead letters a mail queue has; `PublishError`."""
    with publisher.producer() as producer:
        bound: Any = dead_queue(queue, quorum=publisher.rabbitmq)(producer.channel)  # type: ignore[arg-type]
        return int(bound.queue_declare().message_count)


def each(publisher: Publisher, queue: str) -> Iterator[tuple[Message, DeadLetter]]:
    """Yield the dead letters of a mail queue once; put back those that were not acknowledged.

    Acknowledge one when it is safe elsewhere, or not wanted any more.
    """
    with publisher.producer() as producer:
        bound: Any = dead_queue(queue, quorum=publisher.rabbitmq)(producer.channel)  # type: ignore[arg-type]
        bound.declare()
        kept: list[Message] = []
        try:
            while (message := bound.get(no_ack=False)) is not None:
                kept.append(message)
                yield message, read(data_of(message))
                if message.acknowledged:
                    kept.pop()
        finally:
            for message in kept:
                if not message.acknowledged:
                    put_back(message, publisher, queue)


def put_back(message: Message, publisher: Publisher, queue: str) -> None:
    """Put back a dead letter that was looked at.

    RabbitMQ counts how often a message came back, and deletes it at a limit: its own default, or a
    policy's. One that came back before goes there as a copy, which nobody has counted yet.
    """
    if not (message.headers or {}).get("x-delivery-count"):
        message.requeue()
        return
    headers = {
        name: value
        for name, value in message.headers.items()
        if name.startswith("mailqueue-") and isinstance(value, str)
    }
    publisher.put_dead(data_of(message), queue=queue, headers=headers)
    message.ack()


def data_of(message: Message) -> bytes:
    """Return the body as it lies in the broker; RabbitMQ's client may have decoded it."""
    body: object = message.body
    if isinstance(body, str):
        return body.encode(message.content_encoding or "utf-8", "surrogateescape")
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else b""


def read(data: bytes) -> DeadLetter:
    """Read the body of a dead letter.

    One that RabbitMQ put there itself (its redelivery limit) is still the body of a task, or
    whatever came in its place.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"v": v, "content": str(), "reason": str()} if v == VERSION:
            names = [field.name for field in dataclasses.fields(DeadLetter)]
            known = {name: body[name] for name in names if name in body}
            return DeadLetter(**known)
        case [[str(content)], *_]:
            encoding = "text"
        case _:
            content, encoding = text_of(data)
    reason = "redelivered too often by the broker"
    return DeadLetter(content=content, encoding=encoding, reason=reason, died_at=0)


def text_of(body: object) -> tuple[str, str]:
    """Return a body as text, and how to get it back from that."""
    if isinstance(body, str):
        return body, "text"
    data = bytes(body) if isinstance(body, bytes | bytearray | memoryview) else repr(body).encode()
    try:
        return data.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"
