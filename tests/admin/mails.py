"""Mails in the table, as a project would have put them there."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage
from django.utils.timezone import now

from mailqueue.codec import encode
from mailqueue.ledger.models import Attempt, Entry
from mailqueue.mail import EmailMultiAlternatives, mailers
from mailqueue.wire.envelope import Envelope

# A picture of one point.
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f"
    b"\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)


def keep(message: EmailMessage | None = None, *, mailer: str = "default", **columns: Any) -> Entry:
    """Record a message and change columns of its row; return the row."""
    message = message or EmailMessage("Hello", "body", "from@example.test", ["ann@example.test"])
    name = uuid.uuid4().hex
    lane = mailers[mailer].lane
    store = lane.store()
    data = encode(
        message,
        date=datetime(2026, 1, 1, tzinfo=UTC),
        message_id=message.extra_headers.get("Message-ID", f"<{name}@example.test>"),
        charset="utf-8",
        keep=store.keep if store else lambda content: None,
    )
    mail = Envelope(id=name, mailer=mailer, queued_at=time.time(), message=data)
    lane.ledger.record([(mail, lane.pack(mail))])
    if columns:
        Entry.objects.filter(pk=name).update(**columns)
    return Entry.objects.get(pk=name)


DEAD = {
    "state": "dead",
    "due_at": None,
    "kind": "permanent",
    "stage": "recipient",
    "code": 550,
    "enhanced": "5.1.1",
    "reason": "no such mailbox (permanent)",
    "attempts": 1,
}


def dead(message: EmailMessage | None = None, **columns: Any) -> Entry:
    return keep(message, **DEAD | columns)


def attempt(entry: Entry, ago: timedelta = timedelta(), **columns: Any) -> None:
    usual = {
        "fence": uuid.uuid4().hex,
        "number": 0,
        "mailer": entry.mailer,
        "at": now() - ago,
        "recipients": 1,
        "kind": "sent",
        "stage": "accepted",
        "code": 250,
    }
    Attempt.objects.create(entry_id=entry.pk, **usual | columns)


def html_mail(html: str, **headers: str) -> EmailMessage:
    message = EmailMultiAlternatives(
        "An invoice", "The text", "from@example.test", ["ann@example.test"], headers=headers
    )
    message.attach_alternative(html, "text/html")
    return message
