"""The queues of mail and of dead letters, declared as each kind of broker needs them."""

from collections.abc import Sequence

from celery import Celery
from kombu import Exchange, Queue

from mailqueue.broker.app import MailApp
from mailqueue.log import logger

# A mail whose worker dies this many times is dead-lettered by RabbitMQ itself.
DELIVERY_LIMIT = 10


def is_rabbitmq(app: Celery) -> bool:
    return bool(app.connection_for_write().transport.driver_type == "amqp")


def mail_queue(name: str, *, quorum: bool) -> Queue:
    """Return the queue of mail to deliver.

    On RabbitMQ a quorum queue: replicated, confirmed after it is on disk, with an end to
    redelivery, and bound to a topic exchange because native delayed delivery asks for one.
    """
    if not quorum:
        return Queue(name, Exchange(""), routing_key=name)
    return Queue(
        name,
        Exchange(name, type="topic", durable=True),
        routing_key=name,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_name(name),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_queue(name: str, *, quorum: bool) -> Queue:
    """Return the queue of dead letters that belongs to the mail queue `name`."""
    arguments = {"x-queue-type": "quorum"} if quorum else None
    dead = dead_name(name)
    return Queue(dead, Exchange(""), routing_key=dead, queue_arguments=arguments)


def dead_name(name: str) -> str:
    return f"{name}.dead"


def prepare_worker(app: Celery, names: Sequence[str]) -> None:
    """Make the mail queues known to a worker's app, so that it consumes them by default."""
    quorum = is_rabbitmq(app)
    urls: object = app.conf.broker_url
    if isinstance(app, MailApp):
        # Celery makes a queue of its own type of the default queue, unless it is one of these.
        app.conf.task_default_queue = next(iter(names), app.conf.task_default_queue)
    elif quorum and isinstance(urls, tuple):
        # Where there is a quorum queue, Celery's worker takes a list but no tuple.
        app.conf.update(broker_url=list(urls))
    for name in names:
        app.amqp.queues.select_add(mail_queue(name, quorum=quorum))


def keep_to_consumed(app: Celery, names: Sequence[str]) -> set[str]:
    """Let a worker forget the mail queues that it does not consume; return those that it does.

    Celery turns off global QoS as soon as it knows a quorum queue, and then each of the project's
    tasks that wait (ETA, countdown) in a classic queue takes a place in the worker for good.
    """
    queues = app.amqp.queues
    consumed = set(queues.consume_from)
    for name in set(names) - consumed:
        queues.pop(name, None)
    others = sorted(consumed - set(names))
    if others and consumed & set(names) and is_rabbitmq(app):
        logger.warning(
            "This worker consumes mail and other queues (%s). On RabbitMQ give mail a worker of its"
            " own: beside a mail queue, waiting tasks (countdown, eta) of the others block it.",
            ", ".join(others),
        )
    return consumed & set(names)


def accepts_json(app: Celery) -> bool:
    return any(each in {"json", "application/json"} for each in app.conf.accept_content or ())
