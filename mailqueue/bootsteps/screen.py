"""Looks at each message on a mail queue before Celery does, and hands it one of our own making.

Celery drops what it does not know, dumps it into the log, or stops because of it. Of whatever lies
on a mail queue it gets the one argument, in a message made here; all else becomes a dead letter,
whole.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from celery import bootsteps
from celery.concurrency import solo
from celery.worker import state
from celery.worker.consumer.tasks import Tasks
from kombu import Message

from mailqueue.bootsteps.gathering import Gathering, gathering_for
from mailqueue.bootsteps.inlet_rabbitmq import on_rabbitmq
from mailqueue.bootsteps.inlet_redis import Inlet
from mailqueue.bootsteps.request import MailMessage
from mailqueue.broker.dead import DeadLetter, park, text_of
from mailqueue.broker.message import (
    JSON,
    TASK,
    argument_of,
    eta_of,
    headers_of,
    queue_in,
    queue_of_ring,
)
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import DELIVERY_LIMIT
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane, lanes_on, queue_names
from mailqueue.wire.envelope import LIMIT

# The most that a body can have: the longest envelope, in JSON in JSON.
LONGEST = LIMIT + 2**20

taken: Counter[str] = Counter()  # messages by their queue, since this worker began


class Screen(bootsteps.StartStopStep):
    """The step of a worker's consumer that puts the look before Celery's own handler."""

    requires = (Tasks,)
    gathering: Gathering | None = None

    def start(self, consumer: Any) -> None:
        names = queue_names()
        most = {name: fewest(lanes_on(name)) for name in names}
        make_handler = type(consumer).create_task_handler
        tasks = consumer.task_consumer

        def queue_of(delivery: Any) -> str | None:
            tags = {tag: name for name, tag in tasks._active_tags.items()}
            return mail_queue_of(delivery, names, tags)

        def create_task_handler(*args: Any, **kwargs: Any) -> Callable[[Message], None]:
            handle = make_handler(consumer, *args, **kwargs)
            self.gathering = gathering_for(consumer, handle, most)

            def take(message: Message) -> None:
                if queue := queue_of(message.delivery_info):
                    taken[queue] += 1
                    hand_on = partial(self.gathering.take, queue) if self.gathering else handle
                    screen(message, hand_on, queue)
                else:
                    handle(message)

            return take

        def on_decode_error(message: Message, error: Exception) -> None:
            if queue := queue_of(message.delivery_info):
                set_aside(message, "undecodable: not decodable", queue)
            else:
                consumer.on_decode_error(message, error)

        consumer.create_task_handler = create_task_handler
        tasks.on_decode_error = on_decode_error
        match consumer.connection.transport.driver_type:
            case "redis":
                if takes_ahead(consumer):
                    Inlet(tasks.channel, most, tasks._receive_callback, self.beyond)
                else:
                    Inlet(tasks.channel, dict.fromkeys(names, 1), tasks._receive_callback)
            case "amqp":
                on_rabbitmq(tasks.channel, queue_of)

    def beyond(self) -> int:
        """Return how many more messages than tasks the worker has in hand."""
        return self.gathering.beyond() if self.gathering else 0

    def stop(self, consumer: Any) -> None:
        """Hand over no more: what waits is the broker's again, when the connection closes."""
        if self.gathering is not None:
            consumer.hub.on_tick.discard(self.gathering.release)
            self.gathering = None


def takes_ahead(consumer: Any) -> bool:
    """Tell whether a worker may have messages beside those in work.

    In the solo pool a task keeps its whole loop.
    """
    never = getattr(consumer.app.conf, "worker_disable_prefetch", False)
    return not (never or isinstance(consumer.pool, solo.TaskPool))


def fewest(lanes: Sequence[Lane]) -> int:
    """Return how many mails may be one task on a queue that mailers share."""
    return min(lane.options.batch_size for lane in lanes)


class Unfit(Exception):  # noqa: N818 (it says of a message what it is)
    """What keeps a message from being mail; never its content."""


def screen(message: Message, handle: Callable[[Message], None], queue: str) -> None:
    """Hand Celery a message of our own with the argument of this one, or set it aside."""
    try:
        made = renewed(message, queue)
    except Unfit as defect:
        set_aside(message, str(defect), queue)
        return
    if (rung := queue_of_ring(made.argument.value)) is not None:
        if rings.is_waiting(rung):
            message.ack()
            return
        rings.note(rung, str(made.headers["id"]))
    handle(made)


class Rings:
    """The last ring for each queue that this worker took; one that has not begun stands for all.

    Never one that has: it may have looked into the table already.
    """

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def note(self, queue: str, task_id: str) -> None:
        """Remember a ring that goes to Celery."""
        self.last[queue] = task_id

    def is_waiting(self, queue: str) -> bool:
        """Tell whether this worker has a ring for the queue in hand that has not begun."""
        begun = {request.id for request in state.active_requests}
        task_id = self.last.get(queue)
        return any(
            request.id == task_id and request.id not in begun for request in state.reserved_requests
        )


rings = Rings()


def renewed(message: Message, queue: str) -> MailMessage:
    """Make the message that Celery gets: its own are only what it takes to answer the broker.

    Raises `Unfit`.
    """
    headers = message.headers if isinstance(message.headers, dict) else {}
    if reason := worn_out(headers):
        raise Unfit(reason)
    if headers.get("task") != TASK:
        raise Unfit("undecodable: unknown task")
    if message.content_type != JSON or "compression" in headers:
        raise Unfit("undecodable: not JSON")
    try:
        argument = argument_of(message.body, longest=LONGEST)
    except ValueError as error:
        raise Unfit(f"undecodable: {error}") from None
    # A new id: Celery keeps what it has in hand by it, and drops what was revoked.
    task_id = str(uuid.uuid4())
    eta = eta_of(headers.get("eta"), now=time.time(), longest=publisher().longest_hold())
    return MailMessage(
        argument,
        channel=message.channel,
        delivery_tag=message.delivery_tag,
        delivery_info=delivery_of(message.delivery_info, queue),
        properties={"correlation_id": task_id, "priority": priority_of(message.properties)},
        headers=headers_of(task_id, origin="mailqueue", eta=eta),
    )


def delivery_of(delivery: object, queue: str) -> dict[str, Any]:
    """Return how a message came: the tag of its consumer, and whether it came before."""
    known = delivery if isinstance(delivery, dict) else {}
    tag = known.get("consumer_tag")
    return {
        "exchange": "",
        "routing_key": queue,
        "redelivered": known.get("redelivered") is True,
        **({"consumer_tag": tag} if isinstance(tag, str) else {}),
    }


def priority_of(properties: object) -> int | None:
    priority = properties.get("priority") if isinstance(properties, dict) else None
    return priority if type(priority) is int else None


def set_aside(message: Message, reason: str, queue: str) -> None:
    """Make a dead letter of a message, as it came."""
    content, encoding = text_of(message.body)
    letter = DeadLetter(content=content, encoding=encoding, reason=reason)
    try:
        park(letter, publisher(), queue=queue)
    except PublishError:
        message.requeue()
    else:
        message.ack()


def mail_queue_of(delivery: object, names: Collection[str], tags: Mapping[str, str]) -> str | None:
    """Return the mail queue that a message came by, if it is one.

    `tags` has the queues of the worker's consumers. Without one the routing key tells, which is
    the name of the queue, in RabbitMQ with a delay before it.
    """
    known = delivery if isinstance(delivery, dict) else {}
    tag, key = known.get("consumer_tag"), known.get("routing_key")
    name = tags.get(tag) if isinstance(tag, str) else None
    if name is None and isinstance(key, str):
        name = queue_in(key)
    return name if name in names else None


def worn_out(headers: Mapping[str, object]) -> str | None:
    """Tell whether RabbitMQ would make a dead letter of it the next time, without a word."""
    count = headers.get("x-delivery-count", 0)
    if not isinstance(count, int) or count < DELIVERY_LIMIT:
        return None
    return f"came back {count} times from workers that died or could not finish it"
