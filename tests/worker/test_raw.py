"""No message, whatever it is, ends a worker, shows in a log, or costs another mail its delivery."""

import json
import re
from collections.abc import Iterator
from typing import Any

import amqp
import pytest
import redis
from celery import Celery
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.message import argument_of
from mailqueue.broker.publish import Publisher, publisher_of
from mailqueue.broker.queues import mail_queue
from mailqueue.mail import mailers
from tests.procnodes import Process, worker_command
from tests.services import queue_on
from tests.waiting import until
from tests.worker.deployment import KEY, environment
from tests.worker.raw import (
    ALTERED,
    ALTERED_ON_REDIS,
    CANARY,
    ITEMS,
    PROPERTIES,
    UNFIT,
    UNFIT_ON_REDIS,
    Change,
    kombus,
    message,
)


class Stand:
    """A queue, a worker, and mail whose argument is at hand."""

    def __init__(self, queue: str, publisher: Publisher, worker: Process) -> None:
        self.queue, self.publisher, self.worker = queue, publisher, worker

    def argument(self, monkeypatch: pytest.MonkeyPatch, to: str) -> str:
        """Return what would travel for a mail."""
        caught: list[bytes] = []
        with monkeypatch.context() as patch:
            patch.setattr(Publisher, "task", lambda self, body, **_: caught.append(body))
            send(to)
        return argument_of(caught[0], longest=2**20)

    def dead(self) -> list[DeadLetter]:
        return list(peek(self.publisher, queue=self.queue, limit=100_000))

    def check(self, sink: Any, mails: set[str], unfit: int) -> None:
        """Send a last mail; all before it have found their place when it arrives."""
        send("last@x.test")
        try:
            sink.wait(lambda: mails | {"last@x.test"} <= set(sink.copies()), 15)
        except TimeoutError:
            print(self.worker.logs().decode()[-5000:])
            raise
        assert self.worker.status == "running"
        assert set(sink.copies()) == mails | {"last@x.test"}
        assert set(sink.copies().values()) == {1}
        until(lambda: len(self.dead()) >= unfit)  # a quorum queue may be empty for who asks soon
        assert len(self.dead()) == unfit
        log = self.worker.logs().decode().partition(" ready.")[2]
        assert CANARY not in log
        assert "Traceback" not in log
        told = re.findall(r"(?:WARNING|ERROR|CRITICAL)/\w+\] (.*)", log)
        assert all("dead letter" in line for line in told), told


def send(to: str) -> None:
    mailers.default.send_messages([EmailMessage("s", "b", "me@x.test", [to])])


@pytest.fixture
def stand(request, sink, tmp_path) -> Iterator[Stand]:
    url = request.getfixturevalue(f"{request.param}_url")
    with queue_on(url) as queue:
        app = Celery("sender", broker=url)
        app.set_current()
        smtp = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}}
        options = {"using": "smtp", "queue": queue, "ledger": None}
        default = {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}
        command = worker_command("worker", "-c", "1", "-l", "INFO")
        env = environment(url, queue, sink)
        worker = Process("worker", command, cwd=tmp_path, env=env)
        try:
            with override_settings(SECRET_KEY=KEY, MAILERS={"default": default, "smtp": smtp}):
                yield Stand(queue, publisher_of(app), worker)
        finally:
            worker.remove()
            publisher_of(app).close()
            publisher_of.cache_clear()
            app.close()


def address(name: str) -> str:
    return f"{re.sub('[^a-z0-9]', '-', name.lower())}@x.test"


def on_redis(name: str, change: Change, made: dict[str, Any]) -> bytes:
    """Return the item of a message, changed before or after kombu's wrapping."""
    if name in ALTERED_ON_REDIS or name in UNFIT_ON_REDIS:
        made = kombus(made)
        change(made)
        return json.dumps(made).encode()
    change(made)
    return json.dumps(kombus(made)).encode()


@pytest.mark.broker
@pytest.mark.parametrize("stand", ["redis"], indirect=True)
def test_a_worker_on_redis_survives_them_all(stand, redis_url, sink, monkeypatch):
    altered, unfit = ALTERED | ALTERED_ON_REDIS, UNFIT | UNFIT_ON_REDIS
    with redis.Redis.from_url(redis_url) as client:
        for name, change in altered.items():
            argument = stand.argument(monkeypatch, address(name))
            client.lpush(stand.queue, on_redis(name, change, message(argument)))
        for name, change in unfit.items():
            client.lpush(stand.queue, on_redis(name, change, message()))
        for item in ITEMS.values():
            client.lpush(stand.queue, item)
    assert len(altered) + len(unfit) + len(ITEMS) > 100
    stand.check(sink, {address(name) for name in altered}, len(unfit) + len(ITEMS))
    kept = [letter.content.encode() for letter in stand.dead()]
    whole = [item for item in ITEMS.values() if item.isascii()]
    assert set(whole) <= set(kept)


@pytest.mark.broker
@pytest.mark.rabbitmq
@pytest.mark.parametrize("stand", ["rabbitmq"], indirect=True)
def test_a_worker_on_rabbitmq_survives_them_all(stand, rabbitmq_url, sink, monkeypatch):
    def put(made: dict[str, Any], **properties: Any) -> None:
        described = {
            "application_headers": made["headers"],
            "content_type": made["type"],
            "content_encoding": made["encoding"],
            **made["properties"],
            **properties,
        }
        channel.basic_publish(amqp.Message(made["body"], **described), "", stand.queue)

    with (
        Celery(broker=rabbitmq_url, set_as_current=False) as app,
        app.connection_for_write() as connection,
    ):
        channel = connection.default_channel
        mail_queue(stand.queue, quorum=True)(channel).declare()
        for name, change in ALTERED.items():
            made = message(stand.argument(monkeypatch, address(name)))
            change(made)
            put(made)
        for change in UNFIT.values():
            made = message()
            change(made)
            put(made)
        for properties in PROPERTIES.values():
            put(message(), **properties)
    stand.check(sink, {address(name) for name in ALTERED}, len(UNFIT) + len(PROPERTIES))
