"""Mail that has to wait on RabbitMQ: it lies in the broker's own delay queues, not in a worker."""

import math

from celery import Celery
from kombu import Queue
from kombu.transport.native_delayed_delivery import (
    MAX_LEVEL,
    MAX_NUMBER_OF_BITS_TO_USE,
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)

# Where waiting mail enters, and the most seconds that it can be told to wait there (8.5 years).
EXCHANGE = level_name(MAX_LEVEL)
LONGEST = 2**MAX_NUMBER_OF_BITS_TO_USE - 1


def declare(app: Celery, queue: Queue, *, options: dict[str, object]) -> None:
    """Declare the delay queues and the way from them to `queue`.

    Celery does so only in a worker, for the queues that this one consumes. On a connection of its
    own: kombu opens channels that it does not close.
    """
    timeout = options["connect_timeout"]
    with app.connection_for_write(connect_timeout=timeout, transport_options=options) as connection:
        queue(connection.default_channel).declare()
        declare_native_delayed_delivery_exchanges_and_queues(
            connection, app.conf.broker_native_delayed_delivery_queue_type
        )
        bind_queue_to_native_delayed_delivery_exchange(connection, queue)


def key(seconds: float, queue: str) -> str:
    """Return the routing key of what waits for so many seconds, rounded up."""
    return calculate_routing_key(min(math.ceil(seconds), LONGEST), queue)
