"""Connections to the broker that are kept, and what it takes to send one message on them."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from amqp.exceptions import MessageNacked, NotFound
from celery import Celery
from kombu import Producer, Queue
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

from mailqueue.broker import delay
from mailqueue.broker.message import ENCODING, JSON
from mailqueue.broker.queues import is_rabbitmq
from mailqueue.errors import PublishError

# A stalled publish costs at most three timeouts: the write, closing the channel, one reconnect.
TIMEOUT = 2.5
BOUND = 10.0
RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
POOL_SIZE = 10

RABBITMQ_OPTIONS = {
    "confirm_publish": True,
    "connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}
REDIS_OPTIONS = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry_on_timeout": False,
}


class Way(NamedTuple):
    """Where a message enters the broker, and the queue that it is for."""

    queue: Queue
    exchange: str
    routing_key: str

    @property
    def known_as(self) -> tuple[str, str]:
        return self.queue.name, self.exchange


class Sender:
    """Sends to one Celery app's broker, on connections of its own with timeouts and confirms."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.rabbitmq = is_rabbitmq(app)
        self.options: dict[str, object] = {**(RABBITMQ_OPTIONS if self.rabbitmq else REDIS_OPTIONS)}
        connection = app.connection_for_write(
            connect_timeout=TIMEOUT, transport_options=self.options
        )
        self.broker = connection.as_uri()
        self.errors: tuple[type[BaseException], ...] = (
            KombuError,
            OSError,
            MessageNacked,
            *connection.connection_errors,
            *connection.channel_errors,
        )
        self.connections = connection.Pool(POOL_SIZE)
        made: Any = functools.partial(Producer, on_return=self.came_back if self.rabbitmq else None)
        self.producers = ProducerPool(self.connections, limit=POOL_SIZE, Producer=made)
        self.declared: set[tuple[str, str]] = set()
        self.returned: set[str] = set()

    def send(
        self,
        body: bytes,
        id: str,  # noqa: A002 (what tells a message that comes back from others)
        way: Way,
        *,
        headers: dict[str, Any],
        priority: int = 0,
    ) -> None:
        """Publish a message; where it has no way to its queue, make the way and repeat once."""

        def once() -> bool:
            with self.producers.acquire(block=True, timeout=TIMEOUT) as producer:
                if way.known_as not in self.declared:
                    self.declare(producer, way)
                producer.publish(
                    body,
                    exchange=way.exchange,
                    routing_key=way.routing_key,
                    content_type=JSON,
                    content_encoding=ENCODING,
                    headers=headers,
                    priority=priority,
                    delivery_mode=2,
                    mandatory=self.rabbitmq,
                    correlation_id=id,
                    retry=True,
                    retry_policy=RETRY,
                )
            if id not in self.returned:
                return True
            self.returned.discard(id)
            return False

        with self.refusals():
            for _ in range(2):
                with suppress(NotFound):  # the exchange is gone
                    if once():
                        return
                self.declared.discard(way.known_as)
        raise PublishError(f"The broker {self.broker} has no queue for it.")

    def declare(self, producer: Producer, way: Way) -> None:
        """Declare what the broker needs for this way; Redis makes its lists by itself."""
        if self.rabbitmq:
            # A kept connection may have been closed meanwhile.
            connection: Any = producer.connection
            connection.ensure(producer, lambda: way.queue(producer.channel).declare(), **RETRY)()  # type: ignore[arg-type]
            if way.exchange:
                delay.declare(self.app, way.queue, options=self.options)
        self.declared.add(way.known_as)

    def close(self) -> None:
        """Close all connections."""
        self.producers.force_close_all()  # type: ignore[attr-defined]
        self.connections.force_close_all()

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        """Give a producer of one of the kept connections; `PublishError`."""
        with (
            self.refusals(),
            self.producers.acquire(block=True, timeout=TIMEOUT) as producer,
        ):
            yield producer

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Make `PublishError` of what a broker, or the way to it, raises."""
        try:
            yield
        except self.errors as error:
            raise PublishError(
                f"The broker {self.broker} did not take it: {type(error).__name__}."
            ) from None

    def came_back(self, error: object, exchange: object, routing_key: str, message: Any) -> None:
        """Note a message that RabbitMQ could not route; it confirms it all the same."""
        self.returned.add(message.properties["correlation_id"])
