"""Anything on the mail queue that is no mail is set aside, and the worker goes on."""

import base64
import json
from collections.abc import Iterator

import pytest
from django.core.mail import EmailMessage
from pytest_docker_tools.utils import wait_for_callable

from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import TASK, Publisher
from mailqueue.broker.queues import DELIVERY_LIMIT, mail_queue
from mailqueue.mail import mailers
from tests.procnodes import Process, worker_command
from tests.worker.deployment import environment

CANARY = "canary-7f3a"
MAIL = {"task": TASK, "id": "1", "lang": "py"}


@pytest.fixture
def worker(broker_url, queue, sink, tmp_path) -> Iterator[Process]:
    command = worker_command("worker", "-P", "solo", "-l", "INFO")
    env = environment(broker_url, queue, sink)
    process = Process("worker", command, cwd=tmp_path, env=env)
    yield process
    process.remove()


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
        "other content type": (task, MAIL, "application/x-python-serialize"),
        "no JSON": (f"{{{CANARY}", MAIL, "application/json"),
        "binary": (b"\x80\x04\xff" + CANARY.encode(), MAIL, "application/json"),
        "two arguments": (json.dumps([[CANARY, 1], {}, {}]), MAIL, "application/json"),
        "a keyword": (json.dumps([[CANARY], {"x": 1}, {}]), MAIL, "application/json"),
        "no envelope": (task, MAIL, "application/json"),
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
    assert sum(data(letter) == task.encode() for letter in letters) == 3
    assert CANARY.encode() in kept
    log = worker.logs().decode()
    assert CANARY not in log
    assert log.count("Mail without id of no known mailer: dead letter: undecodable: ") == len(bad)


@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
def test_what_rabbitmq_would_bury_in_silence_is_told(request, publisher, queue, sink):
    """RabbitMQ dead-letters what came back too often, and no worker would ever see it."""
    mailers.default.send_messages([EmailMessage("s", "b", "me@x.test", ["jo@x.test"])])
    with publisher.producer() as producer:
        bound = mail_queue(queue, quorum=True)(producer.channel)
        for _ in range(DELIVERY_LIMIT):
            message = taken(bound)
            message.requeue()
    worker = request.getfixturevalue("worker")

    def told() -> bool:
        return f"came back {DELIVERY_LIMIT} times" in worker.logs().decode()

    wait_for_callable("waiting for the log", told, timeout=60)
    [letter] = peek(publisher, queue=queue)
    assert letter.reason.startswith(f"came back {DELIVERY_LIMIT} times")
    assert sink.mails == []


def taken(bound):
    """Get the message; a quorum queue brings one back a moment later."""
    found = []
    wait_for_callable(
        "waiting for the message",
        lambda: found.extend(filter(None, [bound.get(no_ack=False)])) or found,
        timeout=20,
    )
    return found[0]


def data(letter: DeadLetter) -> bytes:
    if letter.encoding == "base64":
        return base64.b64decode(letter.content)
    return letter.content.encode()
