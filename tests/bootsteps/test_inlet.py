"""What a worker takes from a Redis that has no room to note it."""

import logging
from typing import Any

import pytest
import redis
from kombu import Connection, Message, Queue

from mailqueue.bootsteps.inlet_redis import Inlet


def take(url: str, queue: str) -> Message:
    """Publish to a queue, fill the Redis, and take as a worker does that has mail on "mail"."""
    with Connection(url) as connection, connection.SimpleQueue(queue) as simple:
        simple.put({})
    with redis.Redis.from_url(url) as client, Connection(url) as connection:
        consumer: Any = connection.Consumer([Queue(queue)])
        got: list[Message] = []
        Inlet(consumer.channel, {"mail": 1}, got.append)
        consumer.on_message = got.append
        client.config_set("maxmemory", 1)
        try:
            with consumer:
                connection.drain_events(timeout=10)
            [message] = got
            message.ack()
        finally:
            client.config_set("maxmemory", 0)
        return message


def test_mail_that_a_full_redis_cannot_note_is_delivered(
    own_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    """kombu has it already, and raised what ends a worker."""
    with caplog.at_level(logging.ERROR, "mailqueue"):
        assert take(own_redis, "mail").acknowledged
    assert "did not note a message" in caplog.text


def test_other_queues_are_left_to_kombu(own_redis: str) -> None:
    with pytest.raises(redis.ResponseError):
        take(own_redis, "other")
