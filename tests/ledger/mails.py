"""Envelopes and settlements, as enqueue and deliver would make them."""

import dataclasses
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.codec import encode
from mailqueue.ledger.claims import Claim
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.retry import RetryPolicy
from mailqueue.outcome.settlement import Dead, Settlement, settle
from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.signature import keys_from_settings

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


PAST = "2001-01-01T00:00:00+00:00"


def ledger_with(**given: Any) -> DatabaseLedger:
    """Return the ledger of a mailer with these options."""
    return DatabaseLedger("default", options(**given), keys_from_settings())


def record(ledger: DatabaseLedger, *mails: Envelope) -> None:
    keys = keys_from_settings()
    ledger.record([(mail, pack(mail, keys)) for mail in mails])


def start(ledger: DatabaseLedger, mail: Envelope) -> Claim:
    """Record a mail and claim it."""
    record(ledger, mail)
    [mine] = ledger.claim(limit=1)
    assert mine.envelope.id == mail.id
    return mine


def finish(ledger: DatabaseLedger, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
    """Note what became of one claim."""
    [told] = ledger.finish([(claim, settlement)])
    return told


def row(mail: Envelope) -> Entry:
    return Entry.objects.get(pk=mail.id)


def make_due(*mails: Envelope) -> None:
    """Let the time pass until these are due, or all that wait."""
    rows = Entry.objects.exclude(due_at=None)
    if mails:
        rows = rows.filter(pk__in=[mail.id for mail in mails])
    rows.update(due_at=PAST)
