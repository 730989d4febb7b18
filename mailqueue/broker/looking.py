"""What a broker says of itself and of our queues; looking changes nothing."""

import dataclasses
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from amqp.exceptions import NotFound, PreconditionFailed
from kombu import Connection, Queue
from redis.exceptions import ResponseError

from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.broker.sender import Sender


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a queue of RabbitMQ stands: is it there, as we declare it, and how many consume it."""

    exists: bool = False
    is_ours: bool = False
    consumers: int = 0


def reach(sender: Sender) -> None:
    """Connect to the broker; `PublishError` if it does not answer."""
    with sender.fresh():
        pass


def dead_letters(sender: Sender, queues: Iterable[str]) -> int:
    """Return how many dead letters these queues of mail have together; `PublishError`."""
    with sender.fresh() as connection:
        dead = [dead_queue(queue, quorum=sender.rabbitmq) for queue in queues]
        return sum(declare(connection, each, passive=False).message_count for each in dead)


def redis_facts(sender: Sender) -> dict[str, Any]:
    """Return what Redis tells of itself (INFO, and its setting ``save``); `PublishError`."""
    with sender.fresh() as connection:
        channel: Any = connection.default_channel
        client = channel.client
        found: dict[str, Any] = {}
        with suppress(ResponseError):  # not for everybody, at those who run it for others
            found |= client.info()
            found |= client.config_get("save")
    return found


def mail_standing(sender: Sender, name: str) -> Standing:
    """Return how RabbitMQ's queue of mail stands; `PublishError`."""
    return standing(sender, mail_queue(name, quorum=True))


def dead_standing(sender: Sender, name: str) -> Standing:
    """Return how RabbitMQ's dead letter queue of a queue of mail stands; `PublishError`."""
    return standing(sender, dead_queue(name, quorum=True))


def standing(sender: Sender, queue: Queue) -> Standing:
    with sender.fresh() as connection:
        try:
            found = declare(connection, queue, passive=True)
        except NotFound:
            return Standing()
        try:
            declare(connection, queue, passive=False)
        except PreconditionFailed:
            return Standing(exists=True, consumers=found.consumer_count)
    return Standing(exists=True, is_ours=True, consumers=found.consumer_count)


def declare(connection: Connection, queue: Queue, *, passive: bool) -> Any:
    """Declare a queue on a channel of its own, which RabbitMQ closes if it says no."""
    bound: Any = queue(connection.channel())
    return bound.queue_declare(passive=passive)
