"""Retries for those recipients that need them, and pauses for mailers that are wrong."""

import dataclasses
import json
import logging

import pytest
from django.core.mail import EmailMessage

from mailqueue.broker.dead import peek
from mailqueue.broker.publish import publisher
from mailqueue.delivery.deliver import breakers
from mailqueue.demo.sink import KEEP_AND_DROP
from mailqueue.mail import mailers
from mailqueue.wire.envelope import Envelope, pack, unpack
from mailqueue.wire.signature import keys_from_settings
from tests.project_app import run_task
from tests.worker.project import next_task, project_settings, queued

# On RabbitMQ the next attempt is in delay queues, which only a worker declares: see tests/smoke.
pytestmark = pytest.mark.parametrize("broker_url", ["redis"], indirect=True)

RETRY = {"schedule": [60], "jitter": 0}


@pytest.fixture
def project(celery_of_project, queue, sink):
    with project_settings(queue, sink.port, retry=RETRY):
        yield queue


def send(*recipients: str, number: int = 1) -> None:
    message = EmailMessage("Hello", "body", "from@x.test", list(recipients))
    mailers.default.send_messages([message] * number)


def waiting(queue: str) -> list[Envelope]:
    """Take all that waits on the broker."""
    found = []
    while task := next_task(queue):
        [[argument], _, _] = task.payload
        found += [unpack(text, keys_from_settings()) for text in json.loads(argument)]
    return found


def now(envelopes: list[Envelope]) -> str:
    """Return the batch that these will be when they are due."""
    keys = keys_from_settings()
    return json.dumps([pack(dataclasses.replace(each, due_at=None), keys) for each in envelopes])


def test_five_recipients_each_get_what_is_theirs(project, sink):
    for name in ("grey1@x.test", "grey2@x.test"):
        sink.answer("RCPT", "450 4.2.1 later", to=name)
    sink.answer("RCPT", "550 5.1.1 no such user", to="gone@x.test")
    send("good1@x.test", "grey1@x.test", "gone@x.test", "good2@x.test", "grey2@x.test")

    run_task(queued(project))
    again = waiting(project)
    run_task(now(again))

    assert [each.recipients for each in again] == [("grey1@x.test", "grey2@x.test")]
    assert sink.copies() == dict.fromkeys(
        ("good1@x.test", "grey1@x.test", "good2@x.test", "grey2@x.test"), 1
    )
    assert waiting(project) == []
    [letter] = peek(publisher(), queue=project)
    assert (letter.code, letter.enhanced) == (550, "5.1.1")


def test_a_wrong_password_pauses_the_mailer_and_charges_no_mail(project, sink, caplog):
    send("a@x.test", number=5)
    sink.answer("MAIL", "530 5.7.0 Authentication required", times=99)

    with caplog.at_level(logging.ERROR, "mailqueue"):
        run_task(queued(project))

    mails = waiting(project)
    assert len(mails) == 5
    assert [each.attempts for each in mails] == [0] * 5
    assert breakers["smtp"].failures == 1
    assert [record.message for record in caplog.records if "pauses" in record.message]


def test_a_paused_mailer_is_probed_with_one_mail_and_then_sends_all(project, sink):
    sink.answer("MAIL", "530 5.7.0 Authentication required", times=5)
    send("a@x.test", number=5)
    run_task(queued(project))
    first = waiting(project)
    sink.answers.clear()

    run_task(now(first))
    assert sink.mails == []  # not before the pause has ended
    second = waiting(project)
    assert len(second) == 5

    breakers["smtp"].paused_until = 0.0
    run_task(now(second))
    assert len(sink.mails) == 5
    assert breakers["smtp"].failures == 0


def test_an_answer_that_is_lost_means_one_repeat(project, sink):
    sink.answer("DOT", KEEP_AND_DROP, times=9)
    send("a@x.test")
    run_task(queued(project))
    run_task(now(waiting(project)))

    assert len(sink.mails) == 2
    assert waiting(project) == []
    [letter] = peek(publisher(), queue=project)
    assert letter.kind == "ambiguous"


def test_hold_makes_it_a_dead_letter_at_once(celery_of_project, queue, sink):
    sink.answer("DOT", KEEP_AND_DROP, times=9)
    with project_settings(queue, sink.port, retry=RETRY | {"ambiguous": "hold"}):
        send("a@x.test")
        run_task(queued(queue))
        assert len(sink.mails) == 1
        assert waiting(queue) == []
        assert [letter.kind for letter in peek(publisher(), queue=queue)] == ["ambiguous"]
