"""Which mailers are paused, kept on the broker where nothing else is shared by all workers.

Redis: a hash beside the mail queue has a field for each paused mailer, the time since when.
RabbitMQ: a queue beside the mail queue is there while the mailer is paused. Whoever asks publishes
to it: what comes back finds no such queue. (A passive declaration would ask the same, and write
an error into RabbitMQ's log each time.) One of the first messages there says since when; those of
whoever asks are empty, and refused when there are a few.
"""

import time
import uuid
from contextlib import suppress
from typing import Any

from amqp.exceptions import MessageNacked, NotFound
from kombu import Exchange, Producer, Queue

from mailqueue.broker import eager
from mailqueue.broker.message import ENCODING, JSON
from mailqueue.broker.publish import Publisher
from mailqueue.broker.sender import RETRY
from mailqueue.errors import PublishError

ROOM = 20  # messages: enough that those of whoever asks do not keep out the one that says the time
LOOKS = 20  # at the message of a pause, which another who looks may just have
BETWEEN_LOOKS = 0.05


def pause(publisher: Publisher, mailer: str, queue: str) -> bool:
    """Pause a mailer; False if it is paused already.

    Raises `PublishError`, also where there is no broker on which mail could wait.
    """
    if eager.is_eager(publisher.app):
        raise PublishError("task_always_eager has no queue in which mail can wait for its mailer.")
    if is_paused(publisher, mailer, queue):
        return False
    with publisher.producer() as producer:
        if publisher.rabbitmq:
            mark(mailer, queue)(producer.channel).declare()  # type: ignore[arg-type]
        elif client := redis_of(producer):
            client.hset(key(queue), mailer, time.time())
        else:
            raise PublishError(f"The broker {publisher.broker} cannot keep pauses.")
    return not publisher.rabbitmq or offer(publisher, mark(mailer, queue), str(time.time()))


def resume(publisher: Publisher, mailer: str, queue: str) -> bool:
    """End the pause of a mailer; False if it is not paused. Raises `PublishError`."""
    if not is_paused(publisher, mailer, queue):
        return False
    with publisher.producer() as producer:
        if publisher.rabbitmq:
            mark(mailer, queue)(producer.channel).delete()  # type: ignore[arg-type]
        elif client := redis_of(producer):
            client.hdel(key(queue), mailer)
    return True


def is_paused(publisher: Publisher, mailer: str, queue: str) -> bool:
    """Tell whether a mailer is paused; raises `PublishError`."""
    if not publisher.rabbitmq:
        return paused_since(publisher, mailer, queue) is not None
    return offer(publisher, mark(mailer, queue), "")


def paused_since(publisher: Publisher, mailer: str, queue: str) -> float | None:
    """Return since when a mailer is paused, in Unix seconds; None if it is not.

    Raises `PublishError`.
    """
    if publisher.rabbitmq:
        paused = is_paused(publisher, mailer, queue)
        return time_on(publisher, mark(mailer, queue)) if paused else None
    with publisher.producer() as producer:
        client = redis_of(producer)
        found = client and client.hget(key(queue), mailer)
    return float(found) if found else None


def key(queue: str) -> str:
    """Return the name of what tells of the paused mailers of a mail queue."""
    return f"{queue}.paused"


def redis_of(producer: Producer) -> Any:
    """Return kombu's client of Redis, which knows its prefix of keys; None for another broker."""
    return getattr(producer.channel, "client", None)


def mark(mailer: str, queue: str) -> Queue:
    """Return the queue that RabbitMQ has while a mailer is paused.

    Whoever looks at its message puts it back, which RabbitMQ counts: so the limit is out of reach.
    """
    name = f"{key(queue)}.{mailer}"
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}
    arguments |= {"x-max-length": ROOM, "x-overflow": "reject-publish"}
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=arguments)


def offer(publisher: Publisher, queue: Queue, body: str) -> bool:
    """Publish to a queue of RabbitMQ, whether it has room or not; tell whether it is there."""
    message_id = str(uuid.uuid4())
    with publisher.producer() as producer:

        def once() -> None:
            with suppress(MessageNacked):  # no room, which kombu would take for a broken connection
                producer.publish(
                    body,
                    exchange="",
                    routing_key=queue.name,
                    content_type=JSON,
                    content_encoding=ENCODING,
                    delivery_mode=2,
                    mandatory=True,
                    correlation_id=message_id,
                )

        connection: Any = producer.connection
        connection.ensure(producer, once, **RETRY)()
    came_back = message_id in publisher.returned
    publisher.returned.discard(message_id)
    return not came_back


def time_on(publisher: Publisher, queue: Queue) -> float | None:
    """Read the time of a pause on RabbitMQ; None if it has ended meanwhile.

    It is now where nobody has left it: whoever wrote it died before that.
    """
    for _ in range(LOOKS):
        # What was taken goes back when the channel is closed.
        with publisher.producer() as producer, producer.connection.channel() as channel:  # type: ignore[union-attr]
            try:
                while (message := queue(channel).get(no_ack=False)) is not None:
                    if message.body:
                        return float(message.body)
            except NotFound:
                return None
        time.sleep(BETWEEN_LOOKS)
    return time.time()
