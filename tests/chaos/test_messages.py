"""Raw messages on a mail queue, altered in several ways at once: each is sent once, or is kept.

`tests/worker/test_raw.py` has each way alone. Here they meet, and on Redis any byte may change.
"""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import pytest
import redis
from celery import Celery

from mailqueue.broker.queues import mail_queue
from tests.chaos.seeds import chance, rounds
from tests.worker.raw import (
    ALTERED,
    ALTERED_ON_REDIS,
    UNFIT,
    UNFIT_ON_REDIS,
    Change,
    Message,
    kombus,
    message,
)
from tests.worker.test_raw import Stand, send, stand  # noqa: F401 (a fixture)

AT_ONCE = 100
UNFITTING = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
CHANGES = [*ALTERED.values(), *UNFIT.values()]
CHANGES_ON_REDIS = [*ALTERED_ON_REDIS.values(), *UNFIT_ON_REDIS.values()]


def changed(made: Message, changes: list[Change], number: int, random: random.Random) -> None:
    """Change a message in so many ways; a way may need what another one has taken away."""
    for change in random.choices(changes, k=number):
        with contextlib.suppress(*UNFITTING):
            change(made)


def item(argument: str, random: random.Random) -> bytes:
    """Return an item of Redis's list."""
    made = message(argument)
    changed(made, CHANGES, random.choice([0, 1, 2, 3]), random)
    made = kombus(made)
    changed(made, CHANGES_ON_REDIS, random.choice([0, 0, 1, 2]), random)
    data = bytearray(json.dumps(made).encode())
    for _ in range(random.choice([0, 0, 1, 3])):
        place = random.randrange(len(data))
        data[place : place + random.choice([0, 1, 1, 20])] = random.randbytes(random.choice([0, 1]))
    return bytes(data)


def all_have_a_place(
    stand: Stand,  # noqa: F811
    sink: Any,
    monkeypatch: pytest.MonkeyPatch,
    put: Callable[[str], bool],
) -> None:
    """Put messages in rounds; each is a mail that arrives, or a dead letter, and one of them."""
    published = 0
    for turn in rounds():
        names = [f"to{turn * AT_ONCE + each}@x.test" for each in range(AT_ONCE)]
        published += sum(put(stand.argument(monkeypatch, name)) for name in names)
        last = f"last{turn}@x.test"
        send(last)
        try:
            sink.wait(lambda last=last: last in sink.copies(), 60)
        except TimeoutError:
            print(stand.worker.logs().decode()[-5000:])
            raise
        assert stand.worker.status == "running"
    copies = sink.copies()
    assert set(copies.values()) == {1}
    dead = len(stand.dead())
    sent = len(copies) - (turn + 1)
    print(f"{published} messages: {sent} sent, {dead} dead letters")
    assert sent + dead == published
    assert min(sent, dead) > published / 20  # else one kind was not met
    log = stand.worker.logs().decode().partition(" ready.")[2]
    assert "Traceback" not in log
    assert "@x.test" not in log


@pytest.mark.parametrize("stand", ["redis"], indirect=True)
def test_no_item_of_redis_is_lost_or_doubled(stand, redis_url, sink, monkeypatch):  # noqa: F811
    random = chance("messages on Redis")
    with redis.Redis.from_url(redis_url) as client:

        def put(argument: str) -> bool:
            return bool(client.lpush(stand.queue, item(argument, random)))

        all_have_a_place(stand, sink, monkeypatch, put)


@pytest.mark.parametrize("stand", ["rabbitmq"], indirect=True)
def test_no_message_of_rabbitmq_is_lost_or_doubled(
    stand,  # noqa: F811
    rabbitmq_url,
    sink,
    monkeypatch,
):
    random = chance("messages on RabbitMQ")
    with channel_of(rabbitmq_url) as channel:
        mail_queue(stand.queue, quorum=True)(channel).declare()

        def put(argument: str) -> bool:
            made = message(argument)
            changed(made, CHANGES, random.choice([0, 1, 2, 3]), random)
            described = {"application_headers": made["headers"], "content_type": made["type"]}
            described |= {"content_encoding": made["encoding"]} | made["properties"]
            try:
                text = amqp.Message(made["body"], **described)
                text._serialize_properties()
            except Exception:  # noqa: BLE001 (it cannot be written, so nobody gets it)
                return False
            channel.basic_publish(text, "", stand.queue)
            return True

        all_have_a_place(stand, sink, monkeypatch, put)


@contextlib.contextmanager
def channel_of(url: str) -> Iterator[Any]:
    with Celery(broker=url, set_as_current=False) as app, app.connection_for_write() as connection:
        yield connection.default_channel
