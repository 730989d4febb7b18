"""What one attempt leaves to do, for each recipient: pure decisions, then real targets."""

import dataclasses
from datetime import UTC, datetime

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.codec import encode
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.errors import PermanentDeliveryError, TransientDeliveryError
from mailqueue.lanes import Lane
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.retry import RetryPolicy
from mailqueue.outcome.settlement import settle
from mailqueue.wire.envelope import Envelope

NOW = 1_800_000_000.0
POLICY = RetryPolicy(schedule=(30, 120), jitter=0)
SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
LATER = Outcome(kind=Kind.TRANSIENT, stage=Stage.RECIPIENT, code=450, reason="later")
NEVER = Outcome(kind=Kind.PERMANENT, stage=Stage.RECIPIENT, code=550, reason="no mailbox")


def envelope_for(*to: str, number: int = 0, **fields) -> Envelope:
    message = EmailMessage(f"Subject {number}", "body", "from@example.test", list(to))
    data = encode(
        message,
        date=datetime(2026, 1, 1, tzinfo=UTC),
        message_id=f"<{number}@example.test>",
        charset="utf-8",
    )
    return Envelope(
        **{"id": f"id{number}", "mailer": "default", "queued_at": NOW, "message": data} | fields
    )


def settled(envelope: Envelope, outcomes: dict[str, Outcome]):
    return settle(envelope, outcomes, policy=POLICY, now=NOW, random=lambda: 0.5)


def test_only_those_refused_for_now_are_tried_again():
    envelope = envelope_for("a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test")
    result = settled(
        envelope,
        {
            "a@x.test": SENT,
            "b@x.test": LATER,
            "c@x.test": NEVER,
            "d@x.test": LATER,
            "e@x.test": SENT,
        },
    )
    assert result.again == dataclasses.replace(
        envelope, recipients=("b@x.test", "d@x.test"), attempts=1, due_at=NOW + 30
    )
    [dead] = result.dead
    assert dead.envelope.recipients == ("c@x.test",)
    assert (dead.outcome.code, dead.reason) == (550, "no mailbox")


def test_all_sent_leaves_nothing_to_do():
    result = settled(envelope_for("a@x.test"), {"a@x.test": SENT})
    assert (result.again, result.dead) == (None, ())


def test_a_failure_of_the_mailer_charges_no_attempt():
    closed = Outcome(kind=Kind.CONFIGURATION, stage=Stage.AUTH, code=535, reason="credentials")
    result = settled(envelope_for("a@x.test"), {"a@x.test": closed})
    assert result.again is not None
    assert result.again.attempts == 0


def test_an_ambiguous_answer_is_repeated_once():
    lost = Outcome(kind=Kind.AMBIGUOUS, stage=Stage.ACCEPTED, reason="answer lost")
    first = settled(envelope_for("a@x.test"), {"a@x.test": lost})
    assert first.again is not None
    assert first.again.resent
    second = settled(first.again, {"a@x.test": lost})
    assert second.again is None
    assert len(second.dead) == 1


class Scripted(BaseEmailBackend):
    """A ten-line backend: `send_messages()` alone, which fails as the subject says."""

    sent: list[tuple[str, list[str]]] = []

    def send_messages(self, email_messages):
        for message in email_messages:
            if "0" in message.subject:
                raise PermanentDeliveryError(code=550)
            if "1" in message.subject:
                raise TransientDeliveryError(code=451)
            if "2" in message.subject:
                return 0
            self.sent.append((message.subject, message.recipients()))
        return len(email_messages)


class NotReached(BaseEmailBackend):
    tried = 0

    def send_messages(self, email_messages):
        type(self).tried += 1
        raise ConnectionRefusedError


MAILERS = {
    "scripted": {"BACKEND": f"{__name__}.Scripted"},
    "away": {"BACKEND": f"{__name__}.NotReached"},
}


def never(error, recipients, message=None):
    return {"a@x.test": NEVER}


def attempt(envelopes, using, **options):
    lane = Lane.make("default", QueueOptions(using=using, retry=POLICY, **options))
    return list(deliver(envelopes, lane, clock=lambda: NOW, random=lambda: 0.5))


@pytest.fixture
def mailers():
    breakers.clear()
    with override_settings(MAILERS=MAILERS):
        yield
    connections.close()
    breakers.clear()


def test_one_failure_in_a_batch_does_not_keep_the_others(mailers):
    Scripted.sent = []
    results = attempt([envelope_for("a@x.test", number=n) for n in range(5)], "scripted")

    assert [bool(each.dead) for each in results] == [True, False, False, False, False]
    assert [bool(each.again) for each in results] == [False, True, True, False, False]
    assert Scripted.sent == [("Subject 3", ["a@x.test"]), ("Subject 4", ["a@x.test"])]


def test_a_target_out_of_reach_is_not_tried_for_each_mail_of_a_batch(mailers):
    NotReached.tried = 0
    results = attempt([envelope_for("a@x.test", number=n) for n in range(5)], "away")

    assert all(each.again for each in results)
    assert NotReached.tried == 1


def test_a_classifier_is_asked_first(mailers):
    first = envelope_for("a@x.test", number=1)
    [result] = attempt([first], "scripted", classifier=f"{__name__}.never")
    assert [dead.reason for dead in result.dead] == ["no mailbox"]


def test_an_unknown_target_waits_for_its_configuration(mailers):
    [result] = attempt([envelope_for("a@x.test")], "gone")
    assert result.again is not None
    assert result.again.attempts == 0


def test_the_target_sees_only_the_recipients_that_remain(mailers):
    Scripted.sent = []
    envelope = envelope_for("a@x.test", "b@x.test", number=4, recipients=("b@x.test",))
    attempt([envelope], "scripted")
    assert Scripted.sent == [("Subject 4", ["b@x.test"])]
