"""Publish tasks and dead letters: confirmed by the broker, bounded in time.

A publish ends within `BOUND` seconds: taken by the broker, or `PublishError`. An error of the
network's kind leaves open whether the broker took the message after all.
"""

import functools
import json
import math
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.utils.nodenames import anon_nodename
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from mailqueue.broker import delay, eager
from mailqueue.broker.app import carrier
from mailqueue.broker.message import TASK, argument_for, body_for, headers_of
from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.broker.sender import Sender, Way
from mailqueue.errors import PublishError

KOMBU_VISIBILITY_TIMEOUT = 3600  # kombu's default


class Publisher(Sender):
    """Publishes tasks and dead letters through one Celery app's broker."""

    def __init__(self, app: Celery) -> None:
        if TASK not in app.tasks:
            raise ImproperlyConfigured("Add 'mailqueue' to INSTALLED_APPS.")
        super().__init__(app)
        self.origin = anon_nodename()

    def task(self, body: bytes, *, queue: str, priority: int | None, countdown: float) -> None:
        """Publish the task of mail with this body, to run after `countdown` seconds.

        Nothing of the body shows in the headers. Raises `PublishError`.
        """
        wait = self.holdable(countdown)
        eta = None
        if wait and not self.rabbitmq:
            eta = datetime.fromtimestamp(time.time() + wait, UTC).isoformat()
        message_id = str(uuid.uuid4())
        self.send(
            body,
            message_id,
            self.way(queue, wait if self.rabbitmq else None),
            headers=headers_of(message_id, origin=self.origin, eta=eta),
            **self.priority(priority),
        )

    def waiting(self, queue: str) -> int:
        """Return how many messages of a mail queue no worker has taken yet."""
        with self.producer() as producer:
            bound: Any = mail_queue(queue, quorum=self.rabbitmq)(producer.channel)  # type: ignore[arg-type]
            return int(bound.queue_declare().message_count)

    def dead_letter(self, body: Mapping[str, Any], *, queue: str, headers: dict[str, str]) -> None:
        """Publish a dead letter to the dead letter queue of the mail queue `queue`.

        In eager mode there is no broker to keep it; who makes it tells it.
        """
        if eager.attempt.get() is None:
            self.put_dead(json.dumps(body).encode(), queue=queue, headers=headers)

    def put_dead(self, data: bytes, *, queue: str, headers: dict[str, str]) -> None:
        """Put the bytes of a dead letter on the dead letter queue of the mail queue `queue`."""
        target = self.queue(dead_queue, queue)
        self.send(data, str(uuid.uuid4()), Way(target, "", target.name), headers=headers)

    def declare_dead(self, names: Iterable[str]) -> None:
        """Declare the dead letter queues of these mail queues."""
        with self.producer() as producer:
            for name in names:
                dead_queue(name, quorum=self.rabbitmq)(producer.channel).declare()  # type: ignore[arg-type]

    def way(self, queue: str, wait: float | None) -> Way:
        """Return the way to a mail queue, through RabbitMQ's delay queues if it has to wait."""
        target = self.queue(mail_queue, queue)
        if wait is None:
            return Way(target, "", queue)
        return Way(target, delay.EXCHANGE, delay.key(wait, queue))

    def holdable(self, countdown: float) -> int | None:
        """Return the part of a wait that the broker may hold, in whole seconds.

        RabbitMQ delays natively. On Redis a worker holds the task unacknowledged, and past the
        visibility timeout Redis would give it to a second one: so the task comes back at half
        time, and the worker publishes it once more for the rest.
        """
        if countdown <= 0:
            return None
        longest = delay.LONGEST if self.rabbitmq else self.longest_hold()
        return max(1, math.ceil(min(countdown, longest)))

    def longest_hold(self) -> float:
        """Return the seconds that a worker may hold a task before it starts: on RabbitMQ none."""
        if self.rabbitmq:
            return 0.0
        options = self.app.conf.broker_transport_options or {}
        return float(options.get("visibility_timeout", KOMBU_VISIBILITY_TIMEOUT)) / 2

    def priority(self, urgency: int | None) -> dict[str, int]:
        """Return AMQP's priority (9 is first) in the broker's own sense (kombu's Redis: 0 is)."""
        if urgency is None:
            return {}
        return {"priority": urgency if self.rabbitmq else 9 - urgency}

    def queue(self, kind: Any, name: str) -> Queue:
        return queue_of_kind(kind, name, self.rabbitmq)


@functools.cache
def queue_of_kind(kind: Any, name: str, quorum: bool) -> Queue:
    """Make a queue's declaration once."""
    made: Queue = kind(name, quorum=quorum)
    return made


def publish(
    batch: Sequence[str], *, queue: str, priority: int | None = None, countdown: float = 0
) -> None:
    """Publish packed envelopes as one task, or in eager mode make the attempt; `PublishError`."""
    app = carrier_app()
    if eager.is_eager(app):
        eager.run(app, argument_for(batch), mails=len(batch), countdown=countdown)
    else:
        body = body_for(batch)
        publisher_of(app).task(body, queue=queue, priority=priority, countdown=countdown)


def publisher() -> Publisher:
    """Return the publisher of this process for the app that carries mail; `PublishError`."""
    return publisher_of(carrier_app())


def carrier_app() -> Celery:
    """Return the app that carries mail.

    Raises `PublishError` where no broker is known, so that mail which is kept stays kept.
    """
    try:
        return carrier()
    except ImproperlyConfigured as error:
        raise PublishError(str(error)) from None


@functools.cache
def publisher_of(app: Celery) -> Publisher:
    """Make the publisher of an app; `PublishError` for a broker URL that cannot be used."""
    try:
        return Publisher(app)
    except (KeyError, ImportError, AttributeError, TypeError, ValueError) as error:
        raise PublishError(f"The broker URL cannot be used: {type(error).__name__}.") from None


# A forked child must not write to its parent's sockets.
os.register_at_fork(after_in_child=publisher_of.cache_clear)
