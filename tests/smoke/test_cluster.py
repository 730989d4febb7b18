"""The main job through real brokers, real workers and a real SMTP server, and what breaks it."""

import math

import pytest
from celery import Celery
from pytest_celery import CeleryTestSetup, CeleryTestWorker
from pytest_docker_tools.utils import wait_for_callable

from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import publisher_of
from mailqueue.demo.answers import Stall
from mailqueue.demo.sink import Sink
from mailqueue.errors import PublishError
from mailqueue.mail import EmailMessage, mailers, send_mail

# Slow computers run this too; nothing below waits longer than it must.
PATIENT = 90


def send(*recipients: str) -> int:
    return send_mail("Hello", "Text.", "from@example.test", recipients)


def busy(worker: CeleryTestWorker) -> bool:
    return "mailqueue.deliver" in worker.logs().partition("ready.")[2]


def dead_letters(app: Celery) -> list[DeadLetter]:
    return list(peek(publisher_of(app), queue="mailqueue"))


def test_two_workers_share_the_load(celery_setup: CeleryTestSetup, sink: Sink) -> None:
    first, second = Stall(), Stall()
    sink.answer("DATA", first, to="first@example.test")
    sink.answer("DATA", second, to="second@example.test")

    send("first@example.test")
    send("second@example.test")

    # Each worker does one thing at a time, so that both mails are under way takes both of them.
    assert first.reached.wait(PATIENT)
    assert second.reached.wait(PATIENT)
    assert all(busy(worker) for worker in celery_setup.worker_cluster)
    first.release()
    second.release()
    sink.wait(lambda: len(sink.mails) == 2, PATIENT)
    assert sink.copies() == {"first@example.test": 1, "second@example.test": 1}


def test_a_mail_survives_the_worker_killed_while_delivering_it(
    celery_setup: CeleryTestSetup, sink: Sink
) -> None:
    stall = Stall()
    sink.answer("DATA", stall)
    send("to@example.test")
    assert stall.reached.wait(PATIENT)

    (victim,) = [worker for worker in celery_setup.worker_cluster if busy(worker)]
    victim.kill()

    sink.wait(lambda: len(sink.mails) == 1, PATIENT)
    assert sink.copies() == {"to@example.test": 1}
    assert sink.attempts == {"to@example.test": 2}


def test_each_recipient_gets_what_the_server_says_of_him(
    celery_setup: CeleryTestSetup, celery_setup_app: Celery, sink: Sink
) -> None:
    sink.answer("RCPT", "451 4.7.1 Greylisted", to="grey@example.test")
    sink.answer("RCPT", "550 5.1.1 No such user", to="gone@example.test", times=math.inf)

    send("good@example.test", "grey@example.test", "gone@example.test")

    sink.wait(lambda: len(sink.mails) == 2, PATIENT)
    wait_for_callable("a dead letter", lambda: dead_letters(celery_setup_app), timeout=PATIENT)
    assert sink.copies() == {"good@example.test": 1, "grey@example.test": 1}
    assert sink.attempts == {
        "good@example.test": 1,
        "grey@example.test": 2,
        "gone@example.test": 1,
    }
    (letter,) = dead_letters(celery_setup_app)
    assert (letter.code, letter.enhanced, letter.kind) == (550, "5.1.1", "permanent")
    assert letter.reason == "no such mailbox (permanent)"
    assert letter.mailer == "default"


def test_mails_queued_survive_the_broker_killed(celery_setup: CeleryTestSetup, sink: Sink) -> None:
    for worker in celery_setup.worker_cluster:
        worker.kill()
    names = [f"to{number}@example.test" for number in range(20)]
    messages = [EmailMessage("Hello", "Text.", "from@example.test", [name]) for name in names]
    assert mailers.default.send_messages(messages) == 20

    celery_setup.broker.kill()
    with pytest.raises(PublishError):
        send("away@example.test")
    celery_setup.broker.restart()
    for worker in celery_setup.worker_cluster:
        worker.restart()

    sink.wait(lambda: len(sink.mails) == 20, PATIENT)
    assert sink.copies() == dict.fromkeys(names, 1)


def test_workers_come_back_when_the_broker_does(celery_setup: CeleryTestSetup, sink: Sink) -> None:
    celery_setup.broker.kill()
    celery_setup.broker.restart()

    send("to@example.test")

    sink.wait(lambda: len(sink.mails) == 1, PATIENT)
    assert sink.copies() == {"to@example.test": 1}
