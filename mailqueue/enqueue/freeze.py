"""Make an envelope of a message, after which nothing of it changes."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.core.mail import DNS_NAME, EmailMessage
from django.utils.timezone import get_current_timezone

from mailqueue.codec import encode
from mailqueue.codec.bounds import check_size
from mailqueue.codec.common import encode_common
from mailqueue.codec.preflight import check_rendering, check_values, is_common, plainly_renders
from mailqueue.errors import EncodeError, TookTooLong
from mailqueue.lanes import Lane
from mailqueue.log import BORN_OF_A_LOG, logger
from mailqueue.scheduling import MessageOptions, id_of, options_of_message
from mailqueue.tracing import traceparent_of
from mailqueue.watch import RENDERING, bounded
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.envelope import Envelope


def freeze(message: EmailMessage, lane: Lane, store: AttachmentStore | None) -> Envelope:
    """Return the envelope of a message: every attempt has its id, Date and Message-ID."""
    began_at = time.time()
    data = checked_data(message, lane, store)
    wishes = options_of_message(message)
    present = time.time()
    wait = (wishes.send_at or 0.0) - present
    if "claims" in data and lane.ledger is None and wait > lane.options.retry.max_age:
        raise EncodeError(
            "'send_at' is further away than 'max_age': without the ledger its attachments in the "
            "storage would be purged before"
        )
    name = identify(wishes, lane)
    return Envelope(
        id=name,
        mailer=lane.mailer,
        queued_at=max(present, wishes.send_at or 0.0),  # a mail does not age before its time
        message=data,
        due_at=wishes.send_at,
        expires_at=wishes.expire(present),
        traceparent=traceparent_of(mailer=lane.mailer, id=name, began_at=began_at),
    )


def checked_data(
    message: EmailMessage, lane: Lane, store: AttachmentStore | None
) -> dict[str, Any]:
    """Return a message as data, once it is known that a worker can make it again, and send it."""
    inline = lane.options.inline_limit if store else None
    check_size(message, lane.options.max_message_bytes, inline=inline)
    charset = settings.DEFAULT_CHARSET
    if is_common(message, charset):
        return as_data(message, lane, store, encode_common)
    check_values(message, force_ascii=lane.force_ascii)
    if plainly_renders(message, charset):
        return as_data(message, lane, store)

    def seen_data() -> dict[str, Any]:
        check_rendering(message, charset)
        return as_data(message, lane, store)

    try:
        return bounded(RENDERING, seen_data)
    except TookTooLong:
        raise EncodeError("the message takes too long to be made") from None


def as_data(
    message: EmailMessage,
    lane: Lane,
    store: AttachmentStore | None,
    encode: Callable[..., dict[str, Any]] = encode,
) -> dict[str, Any]:
    return encode(
        message,
        date=now(),
        message_id=make_msgid(domain=str(DNS_NAME)),
        charset=settings.DEFAULT_CHARSET,
        attributes=lane.options.carried_attributes,
        keep=store.keep if store else lambda content: None,
        spell=lane.spell,
    )


def identify(wishes: MessageOptions, lane: Lane) -> str:
    """Return the id of a mail: new, or the one that belongs to its idempotency key."""
    if wishes.idempotency_key is None:
        # A mail that tells of a dead letter must not beget one when it dies itself.
        return (BORN_OF_A_LOG if logger.is_speaking() else "") + secrets.token_hex(16)
    if lane.options.ledger is None:
        raise EncodeError("an idempotency key needs a mailer with a ledger")
    return id_of(wishes.idempotency_key, lane.mailer)


def now() -> datetime:
    """Return the second for the Date header, in the zone Django would have used."""
    zone = get_current_timezone() if settings.EMAIL_USE_LOCALTIME else UTC
    return datetime.now(zone).replace(microsecond=0)
