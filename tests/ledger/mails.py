"""Envelopes and settlements, as enqueue and deliver would make them."""

import dataclasses
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.codec import encode
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.retry import RetryPolicy
from mailqueue.outcome.settlement import Settlement, settle
from mailqueue.wire.envelope import Envelope

POLICY = RetryPolicy(schedule=(60,), jitter=0)
SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
LATER = Outcome(kind=Kind.TRANSIENT, stage=Stage.RECIPIENT, code=450, reason="later")
NEVER = Outcome(kind=Kind.PERMANENT, stage=Stage.RECIPIENT, code=550, reason="no mailbox")
LOST = Outcome(kind=Kind.AMBIGUOUS, stage=Stage.DATA, reason="the answer was lost")
OURS = Outcome(kind=Kind.CONFIGURATION, stage=Stage.AUTH, code=535, reason="not authorised")


def options(**given: Any) -> QueueOptions:
    return QueueOptions(**{"using": "smtp", "retry": POLICY} | given)


def envelope(*to: str, **fields: Any) -> Envelope:
    message = EmailMessage("Subject", "body", "from@example.test", list(to or ["a@example.test"]))
    data = encode(
        message,
        date=datetime(2026, 1, 1, tzinfo=UTC),
        message_id="<1@example.test>",
        charset="utf-8",
    )
    usual = {
        "id": uuid.uuid4().hex,
        "mailer": "default",
        "queued_at": time.time(),
        "message": data,
    }
    return Envelope(**usual | fields)


def settled(envelope: Envelope, **outcomes: Outcome) -> Settlement:
    """Settle an envelope; `a=SENT` tells of a@example.test."""
    named = {f"{name}@example.test": outcome for name, outcome in outcomes.items()}
    return settle(envelope, named, policy=POLICY, now=time.time(), random=lambda: 0.5)


def later(envelope: Envelope) -> Envelope:
    return dataclasses.replace(envelope, due_at=time.time() + 3600)
