"""Anything on the mail queue that is no mail is set aside, and the worker goes on."""

import base64
import json
import sys
import uuid
from collections.abc import Iterator

import pytest
from celery import Celery
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import TASK, Publisher, publisher_of
from mailqueue.broker.queues import mail_queue
from mailqueue.mail import mailers
from tests.procnodes import Process

CANARY = "canary-7f3a"
KEY = "the key of sender and worker"
MAIL = {"task": TASK, "id": "1", "lang": "py"}


@pytest.fixture
def worker(broker_url, queue, sink, tmp_path) -> Iterator[Process]:
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-P", "solo", "-l", "INFO"]
    env = {
        "MAILQUEUE_BROKER_URL": broker_url,
        "MAILQUEUE_SECRET_KEY": KEY,
        "MAILQUEUE_QUEUE": queue,
        "MAILQUEUE_SMTP_HOST": "127.0.0.1",
        "MAILQUEUE_SMTP_PORT": str(sink.port),
        "DJANGO_SETTINGS_MODULE": "worker.settings",
        "PYTHONPATH": ":".join(sys.path),
    }
    process = Process("worker", command, cwd=tmp_path, env=env)
    yield process
    process.remove()


@pytest.fixture
def publisher(broker_url, queue) -> Iterator[Publisher]:
    app = Celery("sender", broker=broker_url)
    app.set_current()
    smtp = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}}
    options = {"using": "smtp", "queue": queue}
    default = {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}
    with override_settings(SECRET_KEY=KEY, MAILERS={"default": default, "smtp": smtp}):
        yield publisher_of(app)
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()


def put(publisher: Publisher, queue: str, body, headers, content_type="application/json"):
    target = mail_queue(queue, quorum=publisher.rabbitmq)
    with publisher.producer() as producer:
        producer.publish(
            body,
            exchange=target.exchange if publisher.rabbitmq else "",
            routing_key=queue,
            declare=[target],
            headers=headers,
            content_type=content_type,
            content_encoding="binary" if isinstance(body, bytes) else "utf-8",
        )


def test_garbage_is_set_aside_whole_and_mail_goes_on(worker, publisher, queue, sink):
    task = json.dumps([[CANARY], {}, {}])
    bad = {
        "no headers": (task, {}, "application/json"),
        "unknown task": (task, MAIL | {"task": "someone.elses"}, "application/json"),
        "no task id": (task, {"task": TASK}, "application/json"),
        "other content type": (task, MAIL, "application/x-python-serialize"),
        "no JSON": (f"{{{CANARY}", MAIL, "application/json"),
        "binary": (b"\x80\x04\xff" + CANARY.encode(), MAIL, "application/json"),
        "two arguments": (json.dumps([[CANARY, 1], {}, {}]), MAIL, "application/json"),
        "a keyword": (json.dumps([[CANARY], {"x": 1}, {}]), MAIL, "application/json"),
        "no envelope": (task, MAIL | {"id": uuid.uuid4().hex}, "application/json"),
    }
    for body, headers, content_type in bad.values():
        put(publisher, queue, body, headers, content_type)
    mailers.default.send_messages([EmailMessage("Good", "body", "a@x.test", ["good@x.test"])])

    sink.wait(lambda: sink.copies()["good@x.test"] == 1)

    assert worker.status == "running"
    assert [mail.recipients for mail in sink.mails] == [("good@x.test",)]
    letters = [*peek(publisher, queue=queue), *peek(publisher, queue="mailqueue")]
    kept = {data(letter) for letter in letters}
    assert {body if isinstance(body, bytes) else body.encode() for body, _, _ in bad.values()} - {
        task.encode()
    } <= kept
    assert sum(data(letter) == task.encode() for letter in letters) == 4
    assert CANARY.encode() in kept
    assert CANARY not in worker.logs().decode()


def data(letter: DeadLetter) -> bytes:
    if letter.encoding == "base64":
        return base64.b64decode(letter.content)
    return letter.content.encode()
