"""What one attempt leaves to do, for each recipient: pure decisions, then real targets."""

import dataclasses
from datetime import UTC, datetime

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.codec import decode, encode
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers, deliver, tell_unknown_attribute
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


class Slow(BaseEmailBackend):
    """Takes two seconds for a message, by the clock of the test."""

    clock = NOW

    def send_messages(self, email_messages):
        type(self).clock += 2
        return len(email_messages)


class SlowBatch(Slow):
    """The same, but reports outcomes when all are sent."""

    reports_outcomes = True

    def deliver(self, messages):
        return [
            dict.fromkeys(each.recipients(), SENT)
            for each in messages
            if self.send_messages([each])
        ]


MAILERS = {
    "slow": {"BACKEND": f"{__name__}.Slow"},
    "slow batch": {"BACKEND": f"{__name__}.SlowBatch"},
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

    [waits] = attempt([envelope_for("a@x.test")], "away")
    assert (waits.again.attempts, waits.untried) == (0, "its mailer pauses")
    assert waits.again.due_at == breakers["away"].paused_until > NOW
    assert NotReached.tried == 1


@pytest.mark.parametrize(
    ("using", "times"), [("slow", [(0, 2), (2, 4)]), ("slow batch", [(0, 4), (0, 4)])]
)
def test_the_time_of_each_attempt_is_noted(mailers, using, times):
    Slow.clock = SlowBatch.clock = NOW
    lane = Lane.make("default", QueueOptions(using=using, retry=POLICY))
    mails = [envelope_for("a@x.test", number=n) for n in range(2)]
    expired = envelope_for("a@x.test", expires_at=NOW - 1)
    clock = (Slow if using == "slow" else SlowBatch).__dict__.get
    untried, *results = deliver([expired, *mails], lane, clock=lambda: clock("clock"))
    assert [(each.began_at - NOW, each.ended_at - NOW) for each in results] == times
    assert (untried.began_at, untried.ended_at) == (0, 0)


def test_a_classifier_is_asked_first(mailers):
    first = envelope_for("a@x.test", number=1)
    [result] = attempt([first], "scripted", classifier=f"{__name__}.never")
    assert [dead.reason for dead in result.dead] == ["no mailbox"]


def test_an_unknown_target_waits_for_its_configuration(mailers):
    [result] = attempt([envelope_for("a@x.test")], "gone")
    assert result.again is not None
    assert result.again.attempts == 0


def test_more_recipients_than_the_message_has_are_refused(mailers):
    [result] = attempt([envelope_for("a@x.test", recipients=("a@x.test",) * 2)], "scripted")
    assert [dead.reason for dead in result.dead] == ["undecodable: DecodeError"]


def test_an_attribute_that_these_settings_do_not_name_waits_for_those_that_do(mailers, caplog):
    tell_unknown_attribute.cache_clear()
    newer = envelope_for("a@x.test", number=4)
    newer.message["attributes"] = {"tags": ["a"]}
    Scripted.sent = []

    [waits] = attempt([newer], "scripted", extra_attributes=("metadata",))
    assert waits.again == dataclasses.replace(newer, due_at=NOW + 60)
    assert waits.untried == "an attribute is not known here"
    assert "'extra_attributes'" in caplog.text
    old = dataclasses.replace(newer, queued_at=NOW - POLICY.max_age - 1)
    [gone] = attempt([old], "scripted", extra_attributes=("metadata",))
    assert [dead.reason for dead in gone.dead] == ["too old: it waited for its mailer"]

    assert Scripted.sent == []
    attempt([newer], "scripted", extra_attributes=("tags",))
    assert Scripted.sent == [("Subject 4", ["a@x.test"])]


@pytest.mark.parametrize("error", [RecursionError, OverflowError, UnicodeError, MemoryError])
def test_whatever_keeps_a_message_from_being_rebuilt_stays_with_it(mailers, monkeypatch, error):
    def fail_one(data, **options):
        if data["subject"] == "Subject 3":
            raise error("secret")
        return decode(data, **options)

    monkeypatch.setattr("mailqueue.delivery.deliver.decode", fail_one)
    Scripted.sent = []
    results = attempt([envelope_for("a@x.test", number=n) for n in (3, 4)], "scripted")

    reasons = [dead.reason for result in results for dead in result.dead]
    assert reasons == [f"undecodable: {error.__name__}"]
    assert Scripted.sent == [("Subject 4", ["a@x.test"])]


@pytest.mark.parametrize("remain", [("b@x.test",), ("a@x.test", "b@x.test")])
def test_the_target_sees_only_the_recipients_that_remain(mailers, remain):
    Scripted.sent = []
    envelope = envelope_for("a@x.test", "b@x.test", number=4, recipients=remain)
    attempt([envelope], "scripted")
    assert Scripted.sent == [("Subject 4", list(remain))]
