"""Compare rendered messages: equal but for the boundaries, which are random in each rendering."""

import email.policy
import re
from datetime import UTC, datetime
from typing import Any

import django

from mailqueue.codec import decode, encode
from mailqueue.wire.envelope import Envelope, Keys, pack, unpack

DATE = datetime(2026, 1, 31, 12, 30, 45, tzinfo=UTC)
MESSAGE_ID = "<1.2.3@mail.example.test>"
LEGACY = django.VERSION < (6, 0)
KEYS = Keys(["a key for tests"])
BOUNDARY = re.compile(rb"={15}\d+==")


def data_of(message: Any, **options: Any) -> dict[str, Any]:
    """Return what `encode` makes of a message with the fixed date, id and charset."""
    values: dict[str, Any] = {"date": DATE, "message_id": MESSAGE_ID, "charset": "utf-8"}
    return encode(message, **{**values, **options})


def through_the_wire(message: Any, **options: Any) -> Any:
    """Return the message as the worker gets it, through pack and unpack."""
    envelope = Envelope(
        id="0" * 32, mailer="default", queued_at=1.5, message=data_of(message, **options)
    )
    attributes = options.get("attributes", ())
    return decode(unpack(pack(envelope, KEYS), KEYS).message, attributes=attributes)


def renderings(message: Any) -> list[bytes]:
    """Return the message as each kind of target renders it."""
    if LEGACY:
        plain, crlf = message.message(), message.message()
        return [numbered(plain.as_bytes()), numbered(crlf.as_bytes(linesep="\r\n"))]
    policies = (email.policy.default, email.policy.SMTP, email.policy.SMTPUTF8)
    return [numbered(message.message(policy=policy).as_bytes()) for policy in policies]


def numbered(rendered: bytes) -> bytes:
    """Return the bytes with the boundaries numbered in the order in which they come."""
    seen: dict[bytes, bytes] = {}
    return BOUNDARY.sub(
        lambda match: seen.setdefault(match[0], b"boundary-%d" % len(seen)), rendered
    )


def frozen(message: Any) -> Any:
    """Give the message the headers that the wire gives it, as Django orders them."""
    names = {name.lower() for name in message.extra_headers}
    first = {}
    if "date" not in names:
        first["Date"] = "Sat, 31 Jan 2026 12:30:45 +0000"
    if "message-id" not in names:
        first["Message-ID"] = MESSAGE_ID
    message.extra_headers = first | dict(message.extra_headers)
    return message
