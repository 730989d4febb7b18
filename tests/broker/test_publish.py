"""Publishing to real brokers: what travels, who can read it, and how long it may take."""

import json
import time
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import Celery
from celery.signals import before_task_publish
from kombu import Queue
from pytest_docker_tools.utils import wait_for_callable

from mailqueue.broker import delay
from mailqueue.broker.dead import DeadLetter, park, peek, read
from mailqueue.broker.lists import message_on_list
from mailqueue.broker.message import (
    HIDDEN,
    NO_LIMIT,
    NOTHING,
    TASK,
    body_of,
    eta_of,
    headers_of,
    queue_in,
)
from mailqueue.broker.publish import Publisher, publisher_of
from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.broker.sender import BOUND
from mailqueue.errors import PublishError
from tests.fork import holds_in_child
from tests.proxy import BlackHole, Fault, Proxy, Refuse, proxy
from tests.services import queue_on

SECRET = "token-only-the-recipient-may-see"


def app_for(url: str) -> Celery:
    return Celery("test", broker=url, set_as_current=False)


@pytest.fixture
def publisher(broker_url: str, queue: str) -> Iterator[Publisher]:
    publisher = Publisher(app_for(broker_url))
    yield publisher
    publisher.close()


def received(publisher: Publisher, queue: str):
    with publisher.producer() as producer:
        return mail_queue(queue, quorum=publisher.rabbitmq)(producer.channel).get(no_ack=True)


def test_a_task_carries_its_argument_in_the_body_and_nothing_of_it_in_the_headers(publisher, queue):
    publisher.task(body_of(SECRET), queue=queue, priority=None, countdown=0)

    message = received(publisher, queue)
    (args, kwargs, _embed) = message.payload
    assert (args, kwargs) == ([SECRET], {})
    assert SECRET not in repr((message.headers, message.properties, message.delivery_info))


HOSTILE = {
    "task_routes": {"*": {"exchange": "jobs", "routing_key": "jobs", "queue": "jobs"}},
    "task_compression": "gzip",
    "task_protocol": 1,
    "task_serializer": "pickle",
    "task_time_limit": 1,
    "task_soft_time_limit": 1,
    "task_default_queue": "jobs",
    "task_default_exchange": "jobs",
    "task_default_routing_key": "jobs",
    "task_default_delivery_mode": 1,
    "task_default_priority": 3,
    "task_create_missing_queues": False,
    "task_send_sent_event": True,
    "task_annotations": {"*": {"time_limit": 1, "expires": 1, "compression": "zlib"}},
}


def test_nothing_of_the_projects_celery_settings_gets_into_the_message(broker_url, queue):
    app = app_for(broker_url)
    app.conf.update(HOSTILE)
    told = []

    def note(**facts):
        told.append(facts)

    before_task_publish.connect(note)
    publisher = Publisher(app)
    try:
        publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)
        message = received(publisher, queue)
    finally:
        before_task_publish.disconnect(note)
        publisher.close()
    assert told == []
    assert message.body in (body_of("x"), body_of("x").decode())
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.properties["delivery_mode"] == 2
    assert message.properties.get("priority") in (0, None)
    assert message.properties["correlation_id"] == message.headers["id"]
    expected = headers_of(message.headers["id"], origin=publisher.origin)
    message.headers.pop("x-delivery-count", None)  # RabbitMQ's own
    assert message.headers == expected
    assert expected["timelimit"] == [NO_LIMIT, NO_LIMIT]


@pytest.mark.broker
@pytest.mark.parametrize("priority", [0, 4, 9])
def test_what_is_put_on_a_list_of_redis_is_what_kombu_would_put_there(redis_url, priority):
    body, headers = body_of('["x"]'), headers_of("7", origin="me")
    with queue_on(redis_url) as queue, app_for(redis_url).connection_for_write() as connection:
        connection.Producer().publish(
            body,
            exchange="",
            routing_key=queue,
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            priority=priority,
            delivery_mode=2,
            correlation_id="7",
        )
        channel = connection.default_channel
        theirs = json.loads(channel.client.lpop(channel._q_for_pri(queue, priority)))
    text = message_on_list(body, "7", queue=queue, headers=headers, priority=priority)
    ours = json.loads(text)
    for each in (ours, theirs):
        assert len(each["properties"].pop("delivery_tag")) == 36
    assert ours == theirs


def test_the_message_is_the_one_that_celery_itself_would_make():
    """Protocol 2 of the installed Celery: a worker of any project must run it."""
    app = app_for("memory://")
    theirs = app.amqp.as_task_v2(
        "7", TASK, ("x",), argsrepr=HIDDEN, kwargsrepr=NOTHING, origin="me", ignore_result=True,
        time_limit=NO_LIMIT, soft_time_limit=NO_LIMIT,
    )  # fmt: skip
    assert headers_of("7", origin="me") == theirs.headers
    assert json.loads(body_of("x")) == json.loads(json.dumps(theirs.body))


@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
class TestRabbitMQ:
    def test_mail_for_a_queue_that_was_deleted_makes_it_anew(self, publisher, queue):
        publisher.task(body_of("one"), queue=queue, priority=None, countdown=0)
        with publisher.producer() as producer:
            producer.channel.queue_delete(queue)
        publisher.task(body_of("two"), queue=queue, priority=None, countdown=0)
        assert received(publisher, queue).payload[0] == ["two"]

    def test_a_queue_that_cannot_be_made_is_an_error(self, publisher, queue, monkeypatch):
        monkeypatch.setattr(publisher, "declare", lambda producer, way: None)
        with pytest.raises(PublishError, match="has no queue for it"):
            publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)

    def test_a_dead_letter_makes_its_queue_anew(self, publisher, queue):
        park(DeadLetter(content="one", reason="x"), publisher, queue=queue)
        with publisher.producer() as producer:
            producer.channel.queue_delete(f"{queue}.dead")
        park(DeadLetter(content="two", reason="x"), publisher, queue=queue)
        assert [letter.content for letter in peek(publisher, queue=queue)] == ["two"]

    def test_mail_that_waits_lies_in_the_brokers_delay_queues(self, publisher, queue):
        """No worker has run: this process made all that it needs, and no ETA holds a worker."""
        publisher.task(body_of("later"), queue=queue, priority=None, countdown=1)
        assert received(publisher, queue) is None
        found = []
        wait_for_callable(
            "waiting for the delay",
            lambda: found.extend(filter(None, [received(publisher, queue)])) or found,
            timeout=30,
        )
        assert found[0].payload[0] == ["later"]
        assert found[0].headers["eta"] is None
        assert queue_in(found[0].delivery_info["routing_key"]) == queue

    def test_a_delay_exchange_that_was_deleted_is_made_anew(self, publisher, queue):
        publisher.task(body_of("x"), queue=queue, priority=None, countdown=1)
        with publisher.producer() as producer:
            producer.channel.exchange_delete(delay.EXCHANGE)
        publisher.task(body_of("y"), queue=queue, priority=None, countdown=1)

    def test_a_full_queue_refuses(self, publisher, queue):
        with publisher.producer() as producer:
            arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
            producer.channel.queue_declare(queue, durable=True, auto_delete=False,
                                           arguments=arguments)  # fmt: skip
        publisher.declared.add((queue, ""))

        def fill() -> None:
            for _ in range(5):
                publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)

        with pytest.raises(PublishError, match="did not take it"):
            fill()


def test_on_redis_a_worker_holds_what_waits_for_a_while(redis_url):
    with queue_on(redis_url) as queue:
        publisher = Publisher(app_for(redis_url))
        before = time.time()
        publisher.task(body_of("later"), queue=queue, priority=None, countdown=10)
        message = received(publisher, queue)
        publisher.close()
    eta = message.headers["eta"]
    assert eta_of(eta, now=before, longest=12) == eta


def test_the_queue_of_rabbitmq_is_a_quorum_queue_with_an_end_to_redelivery():
    arguments = mail_queue("mail", quorum=True).queue_arguments
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-delivery-limit"] == 10
    assert arguments["x-dead-letter-routing-key"] == "mail.dead"


def test_dead_letters_can_be_read_and_stay(publisher, queue):
    letter = DeadLetter(
        content="the bytes", reason="no such mailbox", code=550, enhanced="5.1.1", id="7"
    )
    park(letter, publisher, queue=queue)

    assert list(peek(publisher, queue=queue)) == [letter]
    assert list(peek(publisher, queue=queue)) == [letter]


@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
def test_a_queue_with_a_length_drops_no_mail_and_tells_the_caller(publisher, queue, monkeypatch):
    """A `max-length` comes by a policy, and would drop the oldest but for our `x-overflow`."""

    def short(name: str, *, quorum: bool) -> Queue:
        made = mail_queue(name, quorum=quorum)
        made.queue_arguments |= {"x-max-length": 2}
        return made

    taken: list[str] = []

    def fill() -> None:
        for number in range(20):  # a quorum queue may take a few more than it should
            publisher.task(body_of(f"{number}"), queue=queue, priority=None, countdown=0)
            taken.append(f"{number}")

    monkeypatch.setattr("mailqueue.broker.publish.mail_queue", short)
    with pytest.raises(PublishError, match="did not take it"):
        fill()

    def drained() -> list[str]:
        with publisher.producer() as producer:
            bound = short(queue, quorum=True)(producer.channel)
            return [json.loads(message.body)[0][0] for message in iter(bound.get, None)]

    assert len(taken) >= 2
    assert drained() == taken


@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
def test_a_limit_of_redeliveries_deletes_no_dead_letter_that_is_looked_at(
    publisher, queue, monkeypatch
):
    """RabbitMQ 4 has one of 20 for every queue; others come by a policy."""

    def limited(name: str, *, quorum: bool) -> Queue:
        made = dead_queue(name, quorum=quorum)
        made.queue_arguments |= {"x-delivery-limit": 1}
        return made

    monkeypatch.setattr("mailqueue.broker.dead.dead_queue", limited)
    monkeypatch.setattr("mailqueue.broker.publish.dead_queue", limited)
    letters = [DeadLetter(content=each, reason="x", id=each) for each in "abc"]
    for letter in letters:
        park(letter, publisher, queue=queue)
    for _ in range(30):
        # A quorum queue brings a message back a moment later.
        wait_for_callable(
            "waiting for all three",
            lambda: sorted(letter.id for letter in peek(publisher, queue=queue)) == ["a", "b", "c"],
            timeout=10,
        )
    headers = []
    with publisher.producer() as producer:
        bound = limited(queue, quorum=True)(producer.channel)
        while message := bound.get(no_ack=True):
            headers.append(message.headers["mailqueue-id"])
    assert sorted(headers) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"{", b"null", b"[" * 100_000, b'{"v":1}', b'{"v":1,"content":7,"reason":"x"}'],
)
def test_whatever_lies_among_the_dead_letters_can_be_looked_at(publisher, queue, data):
    publisher.put_dead(data, queue=queue, headers={})
    [letter] = peek(publisher, queue=queue)
    kept = letter.content.encode()
    assert data == (b64decode(kept) if letter.encoding == "base64" else kept)


def test_a_dead_letter_of_a_newer_version_can_be_read():
    data = b'{"v": 1, "content": "x", "reason": "y", "what else": 1}'
    assert read(data).content == "x"


def test_a_dead_letter_tells_its_reason_but_not_its_content_in_the_headers(publisher, queue):
    park(DeadLetter(content=SECRET, reason="expired"), publisher, queue=queue)

    with publisher.producer() as producer:
        target = dead_queue(queue, quorum=publisher.rabbitmq)
        message = target(producer.channel).get(no_ack=True)
    assert message.headers["mailqueue-reason"] == "expired"
    assert SECRET not in repr((message.headers, message.properties))
    assert message.payload["content"] == SECRET


@pytest.fixture
def broken(broker_url: str) -> Iterator[tuple[Proxy, Publisher]]:
    """A publisher whose way to the broker leads through a proxy."""
    url = urlsplit(broker_url)
    default = 5672 if url.scheme == "amqp" else 6379
    with proxy(url.port or default) as way:
        login = url.netloc.rpartition("@")[0]
        netloc = f"{login}@127.0.0.1:{way.port}" if login else f"127.0.0.1:{way.port}"
        publisher = Publisher(app_for(urlunsplit(url._replace(netloc=netloc))))
        yield way, publisher
        publisher.close()


@pytest.mark.parametrize("fault", [BlackHole(), Refuse()], ids=["stall", "refuse"])
@pytest.mark.parametrize("warm", [True, False], ids=["connected before", "first publish"])
def test_a_broker_that_is_away_is_an_error_within_the_documented_time(
    broken, queue, fault: Fault, warm
):
    way, publisher = broken
    if warm:
        publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)
    way.become(fault)

    started = time.monotonic()
    with pytest.raises(PublishError):
        publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)
    # The number is a promise of the docs, not a measure of speed.
    assert time.monotonic() - started < BOUND

    way.heal()
    publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)


@pytest.mark.parametrize("known", [True, False], ids=["known queue", "new queue"])
def test_a_kept_connection_that_was_closed_is_opened_anew(broken, broker_url, queue, known):
    way, publisher = broken
    with queue_on(broker_url) as other:
        publisher.task(body_of("x"), queue=queue, priority=None, countdown=0)
        way.cut()
        publisher.task(body_of("x"), queue=queue if known else other, priority=None, countdown=0)


def test_a_forked_child_gets_connections_of_its_own(broker_url):
    app = app_for(broker_url)
    parents = publisher_of(app)
    assert holds_in_child(lambda: publisher_of(app) is not parents)
    assert publisher_of(app) is parents


@pytest.mark.parametrize(
    ("countdown", "held"), [(0, None), (0.2, 1), (29.5, 30), (900, 300), (86400, 300)]
)
def test_redis_never_holds_a_task_beyond_half_its_visibility_timeout(countdown, held):
    app = app_for("redis://127.0.0.1:1/0")
    app.conf.broker_transport_options = {"visibility_timeout": 600}
    assert Publisher(app).holdable(countdown) == held


def test_rabbitmq_delays_by_itself_as_long_as_needed():
    assert Publisher(app_for("amqp://127.0.0.1:1//")).holdable(86400) == 86400


def test_urgent_is_9_on_either_broker():
    assert Publisher(app_for("amqp://127.0.0.1:1//")).priority(9) == {"priority": 9}
    assert Publisher(app_for("redis://127.0.0.1:1/0")).priority(9) == {"priority": 0}
    assert Publisher(app_for("redis://127.0.0.1:1/0")).priority(None) == {}
