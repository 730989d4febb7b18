"""Dead letters: what was given up, with its bytes and the reason, on a queue beside the mail."""

import dataclasses
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
        code=letter.code,
        enhanced=letter.enhanced,
    )


def peek(publisher: Publisher, *, queue: str, limit: int = 1000) -> Iterator[DeadLetter]:
    """Yield the dead letters of a mail queue and leave them where they are."""
    target = dead_queue(queue, quorum=publisher.rabbitmq)
    with publisher.producer() as producer:
        bound = target(producer.channel)  # type: ignore[arg-type]
        bound.declare()
        messages: list[Message] = []
        try:
            while len(messages) < limit and (message := bound.get(no_ack=False)) is not None:
                messages.append(message)
                yield read(message.payload)
        finally:
            for message in messages:
                message.requeue()


def read(body: Any) -> DeadLetter:
    """Read the body of a dead letter.

    One that RabbitMQ put there itself (its redelivery limit) is still the body of a task.
    """
    if isinstance(body, dict) and body.get("v") == VERSION:
        return DeadLetter(**{str(name): value for name, value in body.items() if name != "v"})
    match body:
        case [[str(content)], *_]:
            pass
        case _:
            content = json.dumps(body)
    return DeadLetter(content=content, reason="redelivered too often by the broker", died_at=0)
