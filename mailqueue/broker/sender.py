"""Connections to the broker that are kept, and what it takes to send one message on them."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from amqp.exceptions import MessageNacked, NotFound
from celery import Celery
from kombu import Connection, Producer, Queue
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

from mailqueue.broker import delay
from mailqueue.broker.lists import message_on_list
from mailqueue.broker.message import ENCODING, JSON
from mailqueue.broker.queues import is_rabbitmq
from mailqueue.errors import PublishError

# A stalled publish costs at most three timeouts: the write, closing the channel, one reconnect.
TIMEOUT = 2.5
BOUND = 10.0
RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
ONCE: Any = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
POOL_SIZE = 10

RABBITMQ_OPTIONS: dict[str, object] = {
    "confirm_publish": True,
    "connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}
REDIS_OPTIONS: dict[str, object] = {
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
        self.options = {**(RABBITMQ_OPTIONS if self.rabbitmq else REDIS_OPTIONS), **RETRY}
        connection = app.connection_for_write(
            connect_timeout=TIMEOUT, transport_options=self.options
        )
        self.in_process = connection.transport.driver_type == "memory"
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

        def publish(line: Line) -> None:
            if line.client is not None:
                key, queue = line.channel._q_for_pri(way.routing_key, priority), way.routing_key
                line.client.lpush(
                    key, message_on_list(body, id, queue=queue, headers=headers, priority=priority)
                )
                return
            properties = {"delivery_mode": 2, "correlation_id": id}
            message = line.channel.prepare_message(
                body, priority, JSON, ENCODING, headers, properties
            )
            line.channel.basic_publish(
                message,
                exchange=way.exchange,
                routing_key=way.routing_key,
                mandatory=self.rabbitmq,
            )

        def once() -> bool:
            with self.connections.acquire(block=True, timeout=TIMEOUT) as connection:
                line = Line(connection, self.came_back if self.rabbitmq else None)
                if way.known_as not in self.declared:
                    self.declare(line, way)
                line.ensure(lambda: publish(line))
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

    def declare(self, line: "Line", way: Way) -> None:
        """Declare what the broker needs for this way; Redis makes its lists by itself."""
        if self.rabbitmq:
            line.ensure(lambda: way.queue(line.channel).declare())
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
    def fresh(self) -> Iterator[Connection]:
        """Give a new connection that the broker has answered on; `PublishError`."""
        with (
            self.refusals(),
            self.app.connection_for_write(
                connect_timeout=TIMEOUT, transport_options=self.options
            ) as connection,
        ):
            connection.ensure_connection(**ONCE)  # a channel alone would try for ever
            _ = connection.default_channel
            yield connection

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


class Line:
    """A kept connection and its channel: kombu gives another one when it has connected anew.

    What RabbitMQ could not route is told to `came_back`. kombu's own `Producer` does the same, and
    takes half as long again as all that it calls.
    """

    def __init__(self, connection: Any, came_back: Callable[..., None] | None) -> None:
        self.connection = connection
        self.came_back = came_back
        self.revive(connection.default_channel)

    def revive(self, channel: Any) -> None:
        """Take another channel."""
        self.channel = channel
        self.client = client_of(channel)
        if self.came_back is not None:
            channel.events["basic_return"].add(self.came_back)

    def ensure(self, action: Callable[[], object]) -> None:
        """Do it, once more if the connection was closed meanwhile."""
        self.connection.ensure(self, action, **RETRY)()


_clients: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def client_of(channel: Any) -> Any:
    """Return the client of a channel of Redis; None for another broker's.

    kombu makes one for each command, which takes as long as the command; a client takes what it
    needs from the channel's pool of connections, and keeps nothing.
    """
    client = _clients.get(channel)
    if client is None and hasattr(channel, "_create_client"):
        client = _clients[channel] = channel._create_client()
    return client
