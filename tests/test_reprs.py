"""No repr in the package shows an address, content or a secret."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery.utils.saferepr import saferepr

import mailqueue
from mailqueue.admin.content import Attachment, Content
from mailqueue.bootsteps.request import MailMessage
from mailqueue.broker.dead import DeadLetter
from mailqueue.codec.contents import Contents
from mailqueue.delivery.attempt import Share
from mailqueue.delivery.target import Told
from mailqueue.enqueue.accept import Packed
from mailqueue.ledger.about import About
from mailqueue.ledger.claims import Claim, Claims
from mailqueue.ledger.models import Entry
from mailqueue.ledger.taking import Taken
from mailqueue.mail.addresses import _parsed
from mailqueue.mail.functions import _Legacy
from mailqueue.opaque import Opaque
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.settlement import Dead, Settlement, given_up
from mailqueue.scheduling import MessageOptions
from mailqueue.smtp import oauth
from mailqueue.smtp.batch import Delivery
from mailqueue.smtp.dialogue import Expected
from mailqueue.smtp.extensions import Extensions
from mailqueue.smtp.options import ConnectionOptions
from mailqueue.smtp.reply import Reply
from mailqueue.smtp.transaction import Command, Mail, Transaction
from mailqueue.wire.encryption import Cipher
from mailqueue.wire.envelope import Envelope
from mailqueue.wire.fields import Fields
from mailqueue.wire.signature import Keys
from tests import canaries
from tests.canaries import (
    BODY,
    OAUTH_TOKEN,
    PASSWORD,
    RECIPIENT,
    SENDER,
    SIGNING_KEY,
    SUBJECT,
    found,
)

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DATA = {"body": BODY, "to": [RECIPIENT]}
ENVELOPE = Envelope(id="7", mailer="m", queued_at=0.0, message=DATA, recipients=(RECIPIENT,))
SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
SETTLEMENT = given_up(ENVELOPE, "expired")
MAIL = Mail(SENDER, [RECIPIENT], BODY.encode())
COMMAND = Command(Stage.RECIPIENT, f"RCPT TO:<{RECIPIENT}>".encode(), RECIPIENT)
CLAIM = Claim(envelope=ENVELOPE, fence="f")

FULL: list[object] = [
    Opaque(BODY),
    Opaque([RECIPIENT]),
    MailMessage(BODY),
    MailMessage(BODY).body,
    ENVELOPE,
    Packed(ENVELOPE, Opaque(BODY), canaries.message()),
    SETTLEMENT,
    SETTLEMENT.dead[0],
    Settlement(envelope=ENVELOPE, outcomes={RECIPIENT: SENT}, again=ENVELOPE, dead=()),
    Dead(envelope=ENVELOPE, outcome=SENT, reason="expired"),
    DeadLetter(content=BODY, reason="expired"),
    About(SUBJECT, (RECIPIENT,)),
    Attachment(SUBJECT, "text/plain", "", BODY.encode()),
    Content([("To", RECIPIENT)], BODY, BODY, []),
    CLAIM,
    Claims([CLAIM]),
    Told(reports=[Opaque({RECIPIENT: SENT})], error=Opaque(ValueError(BODY))),
    Share([7], refusal=[(7, Opaque({RECIPIENT: SENT}))]),
    Entry(id="7", payload=BODY),
    Taken("7", "default", BODY, "", 0, 1, 0.0, datetime.now(UTC)),
    MAIL,
    COMMAND,
    Transaction(MAIL, Extensions()),
    Expected(COMMAND, Transaction(MAIL, Extensions()), 7),
    Reply(550, f"<{RECIPIENT}> unknown".encode()),
    Delivery(canaries.message()),
    oauth._Answers(*oauth._xoauth2("user", OAUTH_TOKEN)),
    ConnectionOptions(oauth_token=functools.partial(str, OAUTH_TOKEN)),
    QueueOptions(using="smtp", encryption_keys=(KEY,)),
    MessageOptions(idempotency_key=RECIPIENT),
    Keys([SIGNING_KEY], [KEY]),
    Cipher([KEY]),
    Fields(DATA, "envelope"),
    Contents(lambda content: None),
    _Legacy(None, False, SENDER, PASSWORD),
    _parsed(RECIPIENT),
]
# Those that never hold any of it.
EMPTY = {
    "Attempt",
    "Bar",
    "Breaker",
    "Candidate",
    "ClaimCheck",
    "Done",
    "Extensions",
    "Finding",
    "Forgotten",
    "GiveUp",
    "Health",
    "Lane",
    "Later",
    "Outcome",
    "Overview",
    "Pace",
    "Plot",
    "RetryPolicy",
    "Ring",
    "Row",
    "Span",
    "Standing",
    "Subjects",
    "Traits",
    "Verb",
    "Wanted",
    "Way",
    "_Work",
}


def records() -> Iterator[type]:
    """Yield the classes whose repr Python writes, but for the demo's: its mail is made up."""
    for module in pkgutil.walk_packages(mailqueue.__path__, "mailqueue."):
        if not module.name.startswith(("mailqueue.demo", "mailqueue.worker")):
            for each in vars(importlib.import_module(module.name)).values():
                ours = inspect.isclass(each) and each.__module__ == module.name
                if ours and (dataclasses.is_dataclass(each) or hasattr(each, "_fields")):
                    yield each


def test_every_record_is_looked_at() -> None:
    looked_at = {type(each).__name__ for each in FULL} | EMPTY
    assert {each.__name__ for each in records()} <= looked_at


@pytest.mark.parametrize("value", FULL, ids=lambda value: type(value).__name__)
def test_nothing_is_shown(value: Any) -> None:
    shown = [repr(value), str(value), saferepr(value), repr([value]), repr({"value": value})]
    # Reporters walk through what is a sequence.
    walked = [repr(each) for each in value] if isinstance(value, tuple | list) else []
    assert found(" ".join([*shown, *walked])) == set()
    assert KEY not in repr(value)
