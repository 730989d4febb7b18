"""What the doctor finds of a broker and its queues; each fault is planted in a real one."""

import socket
from collections.abc import Iterator

import pytest
import redis
from kombu import Connection, Consumer, Queue

from mailqueue.broker import sender
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import mail_queue
from mailqueue.doctor import brokers, pickup, workers
from mailqueue.lanes import lanes
from tests.project_app import project_app
from tests.services import queue_on
from tests.worker.project import project_settings

pytestmark = pytest.mark.broker


def found(look, *args, **options) -> list[tuple[str, str]]:
    return [(each.id, each.about) for each in look(*args, **options)]


@pytest.fixture
def bare(celery_of_project, queue) -> Iterator[str]:
    """A project on each broker, which alone keeps mail; give the name of its queue."""
    with project_settings(queue, 1):
        yield queue


@pytest.fixture
def on_redis(own_redis) -> Iterator[redis.Redis]:
    """A project on a Redis of these tests alone; it is as it was afterwards."""
    kept = "maxmemory", "maxmemory-policy", "appendonly", "save"
    with redis.Redis.from_url(own_redis) as client, queue_on(own_redis) as queue:
        before = {name: client.config_get(name)[name] for name in kept}
        try:
            with project_app(own_redis), project_settings(queue, 1):
                yield client
        finally:
            client.replicaof("NO", "ONE")
            for name, value in before.items():
                client.config_set(name, value)


def full(client: redis.Redis) -> None:
    client.config_set("maxmemory", "1mb")


def evicting(client: redis.Redis) -> None:
    client.config_set("maxmemory", "1gb")
    client.config_set("maxmemory-policy", "allkeys-lru")


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (lambda client: client.config_set("appendonly", "no"), "redis-not-persistent"),
        (evicting, "redis-evicts"),
        (full, "redis-full"),
        (lambda client: client.replicaof("127.0.0.1", 1), "redis-replica"),
        (lambda client: None, None),
    ],
)
def test_a_redis_that_loses_mail_or_takes_none(on_redis, plant, name) -> None:
    plant(on_redis)
    expected = [] if name is None else [(name, "broker")]
    assert found(brokers.look, list(lanes().values())) == expected


def test_how_much_a_redis_without_a_log_loses(on_redis) -> None:
    on_redis.config_set("appendonly", "no")
    for save, lost in ("", "all mail"), ("3600 1", "since its last snapshot"):
        on_redis.config_set("save", save)
        [finding] = brokers.look(list(lanes().values()))
        assert lost in finding.problem


@pytest.mark.django_db
def test_a_redis_that_carries_rings_alone_may_forget_them(on_redis) -> None:
    on_redis.config_set("appendonly", "no")
    evicting(on_redis)
    with project_settings("rings", 1, ledger="database"):
        assert found(brokers.look, list(lanes().values())) == []


def test_a_redis_that_tells_nothing(on_redis, own_redis) -> None:
    on_redis.acl_setuser(
        "mail", enabled=True, passwords=["+x"], categories=["+@all", "-@dangerous"], keys=["*"]
    )
    try:
        with project_app(own_redis.replace("redis://", "redis://mail:x@")):
            assert found(brokers.look, list(lanes().values())) == []
    finally:
        on_redis.acl_deluser("mail")


def test_a_broker_that_does_not_take_it(on_redis) -> None:
    full(on_redis)
    [lane] = lanes().values()
    assert found(pickup.look, lane.options.queue, {}) == [
        ("broker-refuses", f"queue {lane.options.queue!r}")
    ]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "amqp://127.0.0.1:1"])
def test_a_broker_that_is_away(url) -> None:
    with project_app(url), project_settings("mail", 1):
        assert found(brokers.look, list(lanes().values())) == [("broker-away", "broker")]


def test_nobody_consumes_the_queue(bare, soon) -> None:
    [lane] = lanes().values()
    assert found(workers.look, [lane], probe=True) == [("no-worker", f"queue {bare!r}")]
    assert publisher().waiting(bare) == 0  # nobody would take what asks who does


@pytest.fixture
def on_rabbitmq(rabbitmq_url) -> Iterator[str]:
    with (
        queue_on(rabbitmq_url) as queue,
        project_app(rabbitmq_url),
        project_settings(queue, 1),
    ):
        yield queue


@pytest.mark.rabbitmq
@pytest.mark.parametrize("suffix", ["", ".dead"])
def test_a_classic_queue_of_the_same_name(on_rabbitmq, rabbitmq_url, suffix) -> None:
    publisher().declare_dead([] if suffix else [on_rabbitmq])
    name = on_rabbitmq + suffix
    with Connection(rabbitmq_url) as connection:
        Queue(name, durable=True)(connection.default_channel).queue_declare()
    assert found(brokers.look, list(lanes().values())) == [("queue-other-kind", f"queue {name!r}")]


@pytest.mark.rabbitmq
def test_no_dead_letter_queue_beside_the_queue(on_rabbitmq, rabbitmq_url) -> None:
    assert found(brokers.look, list(lanes().values())) == []
    with Connection(rabbitmq_url) as connection:
        mail_queue(on_rabbitmq, quorum=True)(connection.default_channel).declare()
    about = f"queue '{on_rabbitmq}.dead'"
    assert found(brokers.look, list(lanes().values())) == [("no-dead-letter-queue", about)]
    publisher().declare_dead([on_rabbitmq])
    assert found(brokers.look, list(lanes().values())) == []


@pytest.mark.rabbitmq
def test_a_consumer_that_does_not_answer(on_rabbitmq, rabbitmq_url, soon) -> None:
    with Connection(rabbitmq_url) as connection:
        queue = mail_queue(on_rabbitmq, quorum=True)
        with Consumer(connection.default_channel, [queue], on_message=print):
            [lane] = lanes().values()
            about = f"queue {on_rabbitmq!r}"
            assert found(workers.look, [lane], probe=True) == [("worker-silent", about)]


@pytest.mark.rabbitmq
def test_a_mail_that_may_take_longer_than_rabbitmq_waits(on_rabbitmq, settings) -> None:
    settings.MAILERS["smtp"]["OPTIONS"]["deadline"] = 2000
    assert found(brokers.look, list(lanes().values())) == [
        ("consumer-timeout", "MAILERS['default']")
    ]


def test_a_broker_that_accepts_and_is_silent(monkeypatch) -> None:
    """It is waited for, and not for ever."""
    monkeypatch.setitem(sender.REDIS_OPTIONS, "socket_timeout", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system accepts for it
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        with project_app(url), project_settings("mail", 1):
            assert found(brokers.look, list(lanes().values())) == [("broker-away", "broker")]
