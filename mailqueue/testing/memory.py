"""The queue without a broker and without a worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery import Celery, current_app
from kombu import Queue

from mailqueue import tasks
from mailqueue.broker.publish import publisher, publisher_of
from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import couriers
from mailqueue.lanes import queue_names
from mailqueue.opaque import Opaque


@contextmanager
def queue_in_memory() -> Iterator[Callable[[], int]]:
    """Keep what is queued in this process; what is yielded delivers it, and counts the tasks.

    All but the broker is as in production: a message is packed, published on commit, unpacked,
    and handed to its target. One call delivers what is queued by then; what is to be tried again
    is queued anew. The mailers are those of MAILERS, so a test brings in a queue mailer first.
    """
    before = current_app._get_current_object()  # type: ignore[attr-defined]
    app = Celery("mailqueue-testing", broker="memory://", set_as_current=False)
    app.set_current()
    try:
        _empty()
        yield _deliver
    finally:
        _empty()
        connections.close()
        couriers.dismiss()
        publisher_of(app).close()
        app.close()
        before.set_current()


def _deliver() -> int:
    arguments = [argument for queue in queue_names() for argument in _taken_from(queue)]
    for argument in arguments:
        tasks.deliver(Opaque(argument))
    return len(arguments)


def _taken_from(name: str) -> Iterator[str]:
    with _declared(mail_queue(name, quorum=False)) as queue:
        while message := queue.get(no_ack=True):
            [argument], _, _ = message.decode()
            yield argument


def _empty() -> None:
    for name in queue_names():
        for kind in (mail_queue, dead_queue):
            with _declared(kind(name, quorum=False)) as queue:
                queue.purge()


@contextmanager
def _declared(queue: Queue) -> Iterator[Queue]:
    with publisher().producer() as producer:
        bound = queue(producer.channel)  # type: ignore[arg-type]
        bound.declare()
        yield bound
