"""Publish tasks and dead letters: confirmed by the broker, bounded in time.

A publish ends within `BOUND` seconds: taken by the broker, or `PublishError`. An error of the
network's kind leaves open whether the broker took the message after all.
"""

import functools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from kombu import Producer
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

from mailqueue.broker.app import carrier
from mailqueue.broker.queues import dead_queue, is_rabbitmq, mail_queue
from mailqueue.errors import PublishError

TASK = "mailqueue.deliver"

# A stalled publish costs at most three timeouts: the write, closing the channel, one reconnect.
TIMEOUT = 2.5
BOUND = 10.0
RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
POOL_SIZE = 10
KOMBU_VISIBILITY_TIMEOUT = 3600  # kombu's default

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


class Publisher:
    """Publishes through one Celery app, on connections of its own with timeouts and confirms."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.rabbitmq = is_rabbitmq(app)
        options = RABBITMQ_OPTIONS if self.rabbitmq else REDIS_OPTIONS
        connection = app.connection_for_write(connect_timeout=TIMEOUT, transport_options=options)
        self.errors: tuple[type[BaseException], ...] = (
            KombuError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )
        self.connections = connection.Pool(POOL_SIZE)
        self.producers = ProducerPool(self.connections, limit=POOL_SIZE)

    def task(self, argument: str, *, queue: str, priority: int | None, countdown: float) -> None:
        """Publish the task of mail with its one opaque argument, to run after `countdown` seconds.

        Nothing of the argument shows in the headers: Celery would put its repr there.
        """
        options: dict[str, Any] = {
            "args": (argument,),
            "argsrepr": "('…',)",
            "kwargsrepr": "{}",
            "queue": mail_queue(queue, quorum=self.rabbitmq),
            "countdown": self.holdable(countdown),
            "serializer": "json",
            "retry": True,
            "retry_policy": RETRY,
            **self.priority(priority),
        }
        if TASK not in self.app.tasks:
            raise ImproperlyConfigured("Add 'mailqueue' to INSTALLED_APPS.")
        with self.producer() as producer:
            self.app.tasks[TASK].apply_async(producer=producer, **options)

    def waiting(self, queue: str) -> int:
        """Return how many messages of a mail queue no worker has taken yet."""
        with self.producer() as producer:
            bound: Any = mail_queue(queue, quorum=self.rabbitmq)(producer.channel)  # type: ignore[arg-type]
            return int(bound.queue_declare().message_count)

    def dead_letter(self, body: Mapping[str, Any], *, queue: str, headers: dict[str, str]) -> None:
        """Publish a dead letter to the dead letter queue of the mail queue `queue`."""
        target = dead_queue(queue, quorum=self.rabbitmq)
        with self.producer() as producer:
            producer.publish(
                body,
                exchange="",
                routing_key=target.routing_key,
                declare=[target],
                serializer="json",
                headers=headers,
                delivery_mode=2,
                retry=True,
                retry_policy=RETRY,
            )

    def declare_dead(self, names: Iterable[str]) -> None:
        """Declare the dead letter queues of these mail queues."""
        with self.producer() as producer:
            for name in names:
                dead_queue(name, quorum=self.rabbitmq)(producer.channel).declare()  # type: ignore[arg-type]

    def close(self) -> None:
        """Close all connections."""
        self.producers.force_close_all()  # type: ignore[attr-defined]
        self.connections.force_close_all()

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        try:
            with self.producers.acquire(block=True, timeout=TIMEOUT) as producer:
                yield producer
        except self.errors as error:
            raise PublishError(f"The broker did not take it: {type(error).__name__}.") from None

    def holdable(self, countdown: float) -> int | None:
        """Return the part of a wait that the broker may hold, in whole seconds.

        RabbitMQ delays natively. On Redis a worker holds the task unacknowledged, and past the
        visibility timeout Redis would give it to a second one: so the task comes back at half
        time, and the worker publishes it once more for the rest.
        """
        if countdown <= 0:
            return None
        if self.rabbitmq:
            return math.ceil(countdown)
        options = self.app.conf.broker_transport_options or {}
        visibility = options.get("visibility_timeout", KOMBU_VISIBILITY_TIMEOUT)
        return max(1, math.ceil(min(countdown, float(visibility) / 2)))

    def priority(self, urgency: int | None) -> dict[str, int]:
        """Return AMQP's priority (9 is first) in the broker's own sense (kombu's Redis: 0 is)."""
        if urgency is None:
            return {}
        return {"priority": urgency if self.rabbitmq else 9 - urgency}


def publish(
    batch: Sequence[str], *, queue: str, priority: int | None = None, countdown: float = 0
) -> None:
    """Publish packed envelopes as one task; raises `PublishError`."""
    publisher().task(json.dumps(list(batch)), queue=queue, priority=priority, countdown=countdown)


def publisher() -> Publisher:
    """Return the publisher of this process for the app that carries mail."""
    return publisher_of(carrier())


@functools.cache
def publisher_of(app: Celery) -> Publisher:
    return Publisher(app)


# A forked child must not write to its parent's sockets.
os.register_at_fork(after_in_child=publisher_of.cache_clear)
