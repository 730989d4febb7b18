"""The services that tests talk to: those that run are used, else an own one is started."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from kombu import Connection
from kombu.transport.native_delayed_delivery import MAX_NUMBER_OF_BITS_TO_USE, level_name

from mailqueue.demo.broker import remove_queues
from tests.procnodes import rabbitmq_process, redis_process, run

LOCAL_REDIS = "redis://127.0.0.1:6379/9"
LOCAL_RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


@contextmanager
def redis_service(folder: Path) -> Iterator[str]:
    """Give the URL of a Redis: the one asked for, else a running one, else an own one."""
    if url := os.environ.get("MAILQUEUE_TEST_REDIS_URL"):
        yield url
    elif redis_answers(LOCAL_REDIS):
        yield LOCAL_REDIS
    else:
        for node in run(redis_process(folder)):
            yield node.url


@contextmanager
def rabbitmq_service(folder: Path) -> Iterator[str]:
    """Give the URL of a RabbitMQ, found like Redis."""
    if url := os.environ.get("MAILQUEUE_TEST_RABBITMQ_URL"):
        yield url
    elif rabbitmq_answers(LOCAL_RABBITMQ):
        yield LOCAL_RABBITMQ
    else:
        node = rabbitmq_process(folder)
        try:
            assert node.ready()
            yield node.host_url
        finally:
            node.stop()


def redis_answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def rabbitmq_answers(url: str) -> bool:
    with Connection(url, connect_timeout=1) as connection:
        try:
            connection.connect()
        except connection.connection_errors:
            return False
        return True


@contextmanager
def queue_on(url: str) -> Iterator[str]:
    """Give a queue name that nobody else uses; the queue and its dead letters go afterwards.

    So does what waits in the broker's delay queues for it. It would come due when there is nowhere
    to go, and RabbitMQ keeps that for ever: with 32 of them a delay queue stands still.
    """
    name = f"test-{uuid.uuid4().hex}"
    try:
        yield name
    finally:
        if not url.startswith("redis"):
            remove_delayed(url, name)
        remove_queues(url, name, f"{name}.dead")


def remove_delayed(url: str, name: str) -> int:
    """Take what waits in RabbitMQ for a queue out of the delay queues; return how many that was."""
    removed = 0
    with Connection(url) as connection:
        for level in range(MAX_NUMBER_OF_BITS_TO_USE):
            delayed = level_name(level)
            channel: Any = connection.channel()
            try:
                count = channel.queue_declare(delayed, passive=True).message_count
            except connection.channel_errors:  # no delay queues there
                continue
            for _ in range(count):
                if (message := channel.basic_get(delayed)) is None:
                    break
                if message.delivery_info["routing_key"].endswith(f".{name}"):
                    channel.basic_ack(message.delivery_info["delivery_tag"])
                    removed += 1
            channel.close()  # what is for others goes back
    return removed
