"""A batch in the worker's hands, with a real broker behind it and a real SMTP server before it."""

import dataclasses
import json
import time

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.core.mail import EmailMessage
from django.db import OperationalError
from django.test import override_settings

from mailqueue import tasks
from mailqueue.backends.queue import EmailBackend
from mailqueue.delivery import follow_up
from mailqueue.delivery.process import process
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.log import tell_stranger
from mailqueue.mail import mailers
from mailqueue.opaque import Opaque
from mailqueue.wire.envelope import pack, unpack
from mailqueue.wire.signature import keys_from_settings
from tests.project_app import run_task
from tests.worker.project import dead, next_task, project_settings, queued


@pytest.fixture
def project(celery_of_project, queue, sink):
    with project_settings(queue, sink.port, retry={"schedule": [60], "jitter": 0}):
        yield queue


def send(*to: str, subject="Hello", number=1) -> None:
    messages = [EmailMessage(subject, "body", "from@example.test", list(to)) for _ in range(number)]
    assert mailers.default.send_messages(messages) == number


def test_what_is_queued_is_delivered(project, sink):
    send("a@example.test", "b@example.test")
    run_task(queued(project))

    [mail] = sink.mails
    assert mail.recipients == ("a@example.test", "b@example.test")
    assert mail.message["Subject"] == "Hello"
    assert next_task(project) is None


def test_many_messages_travel_as_batches(project, sink):
    send("a@example.test", number=25)
    sizes = [len(json.loads(queued(project))) for _ in range(3)]
    assert sizes == [10, 10, 5]
    assert next_task(project) is None


# On RabbitMQ the next attempt is in delay queues, which only a worker declares: see tests/smoke.
@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
def test_all_attempts_are_the_same_message(project, sink):
    sink.answer("RCPT", "451 4.7.1 greylisted", to="a@example.test")
    send("a@example.test", "b@example.test")
    first = queued(project)
    run_task(first)
    [again] = json.loads(queued(project))
    run_task(due_now(again))

    assert [mail.recipients for mail in sink.mails] == [("b@example.test",), ("a@example.test",)]
    assert sink.mails[0].content == sink.mails[1].content


@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
def test_mail_from_before_the_ledger_waits_while_its_database_is_away(
    project, queue, sink, monkeypatch
):
    def away(self, envelopes):
        raise OperationalError

    monkeypatch.setattr(DatabaseLedger, "record", away)
    send("a@example.test", "b@example.test")
    [text] = json.loads(queued(project))
    with project_settings(queue, sink.port, ledger="database"):
        run_task(json.dumps([text]))

    assert json.loads(queued(project)) == [text]
    assert dead(project) == sink.mails == []


def due_now(packed: str) -> str:
    keys = keys_from_settings()
    envelope = unpack(packed, keys)
    assert envelope.attempts == 1
    assert 50 < envelope.due_at - time.time() <= 60
    return json.dumps([pack(dataclasses.replace(envelope, due_at=None), keys)])


def test_refused_for_good_is_a_dead_letter_with_code_and_class(project, sink):
    sink.answer("RCPT", "550 5.1.1 <nobody@example.test> unknown", to="nobody@example.test")
    send("nobody@example.test", "b@example.test")
    run_task(queued(project))

    [letter] = dead(project)
    assert (letter.code, letter.enhanced, letter.kind) == (550, "5.1.1", "permanent")
    assert "nobody" not in letter.reason
    assert unpack(letter.content, keys_from_settings()).recipients == ("nobody@example.test",)
    assert [mail.recipients for mail in sink.mails] == [("b@example.test",)]


@pytest.mark.parametrize("garbage", ["", "no JSON", "{}", "[1, null]", '["1.json.x:y"]', "[[]]"])
def test_garbage_is_parked_with_its_bytes_and_nothing_is_sent(unclaimed, garbage):
    run_task(garbage)

    letters = unclaimed()
    assert letters
    assert all(letter.reason.startswith("undecodable") for letter in letters)
    assert all(letter.content in (garbage, *map(json_text, parts(garbage))) for letter in letters)


def test_what_cannot_be_read_is_a_dead_letter_of_the_queue_that_it_came_by(project, unclaimed):
    process(Opaque("garbage"), queue=project)
    assert [letter.content for letter in dead(project)] == ["garbage"]
    assert unclaimed() == []


def parts(garbage: str):
    try:
        return json.loads(garbage)
    except ValueError:
        return []


def json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_one_bad_envelope_does_not_keep_the_others_of_its_batch(project, sink):
    send("a@example.test", number=2)
    texts = json.loads(queued(project))
    run_task(json.dumps([texts[0], texts[1][:-3] + "xyz"]))
    assert len(sink.mails) == 1


@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
def test_a_mail_of_an_unknown_mailer_waits_for_a_worker_that_knows_it(
    project, sink, unclaimed, caplog
):
    send("a@example.test")
    batch = queued(project)
    tell_stranger.cache_clear()
    with override_settings(MAILERS={}):
        for _ in range(2):
            process(Opaque(batch), queue=project)
            assert json.loads(queued(project)) == json.loads(batch)
    assert caplog.text.count("Mail of mailer 'default' waits") == 1
    assert unclaimed() == []
    run_task(batch)
    assert len(sink.mails) == 1


def test_a_batch_goes_back_when_what_follows_cannot_be_published(project, sink, monkeypatch):
    def away(*args, **kwargs):
        raise PublishError("away")

    send("a@example.test")
    batch = queued(project)
    sink.answer("RCPT", "450 4.2.1 later")
    monkeypatch.setattr(follow_up, "PATIENCE", 0)
    monkeypatch.setattr(Lane, "publish", away)
    with pytest.raises(Reject) as raised:
        run_task(batch)
    assert raised.value.requeue
    # And so does one whose worker dies.
    assert tasks.deliver.acks_late
    assert tasks.deliver.reject_on_worker_lost


def test_a_batch_goes_back_whose_worker_comes_to_a_limit_of_time(project, sink, monkeypatch):
    """It became one dead letter with all that was sent in it."""

    def over(*args, **kwargs):
        raise SoftTimeLimitExceeded

    send("a@example.test")
    batch = queued(project)
    sink.answer("RCPT", "450 4.2.1 later")
    monkeypatch.setattr(Lane, "publish", over)
    with pytest.raises(Reject) as raised:
        run_task(batch)
    assert raised.value.requeue
    assert dead(project) == []


def test_an_expired_mail_is_not_sent(project, sink):
    send("a@example.test")
    keys = keys_from_settings()
    [text] = json.loads(queued(project))
    late = dataclasses.replace(unpack(text, keys), expires_at=time.time() - 1)
    run_task(json.dumps([pack(late, keys)]))

    assert [letter.reason for letter in dead(project)] == ["expired"]
    assert sink.mails == []


def test_the_connection_is_kept_between_tasks(project, sink):
    for _ in range(3):
        send("a@example.test")
        run_task(queued(project))
    assert {mail.connection for mail in sink.mails} == {1}


def test_nothing_of_a_mail_shows_in_the_headers_of_its_task(project):
    send("secret-address@example.test", subject="Your token is order-4711-x")
    message = next_task(project)
    seen = repr((message.headers, message.properties, message.delivery_info))
    assert "secret-address" not in seen
    assert "order-4711-x" not in seen


def test_the_backend_is_the_one_in_test(project):
    assert isinstance(mailers.default, EmailBackend)


def forged(text: str) -> str:
    keys = keys_from_settings()
    with override_settings(SECRET_KEY="another"):
        return pack(unpack(text, keys), keys_from_settings())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (forged, "BadSignature"),
        (lambda text: text.replace("A", "B", 1), "BadSignature"),
        (lambda text: text[: len(text) // 2], "BadSignature"),
        (lambda text: "2" + text[1:], "UnsupportedVersion"),
        (lambda text: "1.json." + "A" * (64 * 2**20), "DecodeError"),
    ],
    ids=["forged", "altered", "truncated", "unknown version", "over-large"],
)
def test_a_spoilt_envelope_is_parked_with_its_bytes(
    project, sink, unclaimed, spoil, reason, caplog
):
    send("secret-address@example.test")
    [text] = json.loads(queued(project))
    spoilt = spoil(text)
    run_task(json.dumps([spoilt]))

    [letter] = unclaimed()
    assert letter.reason == f"undecodable: {reason}"
    assert letter.content == spoilt
    assert sink.mails == []
    assert "secret-address" not in caplog.text
