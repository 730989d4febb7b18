"""Publishing to real brokers: what travels, who can read it, and how long it may take."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import Celery

from mailqueue.broker.dead import DeadLetter, park, peek
from mailqueue.broker.publish import BOUND, Publisher, publisher_of
from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.errors import PublishError
from tests.fork import holds_in_child
from tests.proxy import Proxy, proxy

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
    publisher.task(SECRET, queue=queue, priority=None, countdown=0)

    message = received(publisher, queue)
    (args, kwargs, _embed) = message.payload
    assert (args, kwargs) == ([SECRET], {})
    assert SECRET not in repr((message.headers, message.properties, message.delivery_info))


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


@pytest.mark.parametrize("mode", ["stall", "refuse"])
@pytest.mark.parametrize("warm", [True, False], ids=["connected before", "first publish"])
def test_a_broker_that_is_away_is_an_error_within_the_documented_time(broken, queue, mode, warm):
    way, publisher = broken
    if warm:
        publisher.task("x", queue=queue, priority=None, countdown=0)
    way.mode = mode
    if mode == "refuse":
        way.cut()

    started = time.monotonic()
    with pytest.raises(PublishError):
        publisher.task("x", queue=queue, priority=None, countdown=0)
    # The number is a promise of the docs, not a measure of speed.
    assert time.monotonic() - started < BOUND

    way.mode = "pass"
    publisher.task("x", queue=queue, priority=None, countdown=0)


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
