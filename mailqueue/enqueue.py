"""The sender's half: accept messages, make envelopes of them, hand them to the broker."""

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import make_msgid

from django.conf import settings
from django.core.mail import DNS_NAME, EmailMessage
from django.db import transaction
from django.utils.timezone import get_current_timezone

from mailqueue.broker.publish import publish
from mailqueue.errors import PublishError
from mailqueue.options import QueueOptions
from mailqueue.preflight import check
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.attributes import default_attributes
from mailqueue.wire.codec import encode
from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.keys import keys_from_settings
from mailqueue.wire.storage import attachment_store

# Brokers like many small messages better than one that is huge.
BATCH_BYTES = 2**20


def accept(messages: Sequence[EmailMessage], *, mailer: str, options: QueueOptions) -> int:
    """Queue the messages that have recipients and return their number.

    All or none: each is checked and packed before the first one is published. Inside
    `transaction.atomic` they are published when it commits, if the mailer's ``on_commit`` is on.
    Raises `EncodeError`, `ValueError` (header injection), `PublishError`.
    """
    keys = keys_from_settings(options.encryption_keys)
    store = attachment_store(options, keys)
    packed = [
        pack(envelope(message, mailer, options, store), keys, limit=options.max_message_bytes)
        for message in messages
        if message.recipients()
    ]
    if packed:
        hand_over(packed, options)
    return len(packed)


def envelope(
    message: EmailMessage, mailer: str, options: QueueOptions, store: AttachmentStore | None
) -> Envelope:
    """Freeze a message: from here on every attempt has this id, Date and Message-ID."""
    check(message)
    attributes = options.extra_attributes
    data = encode(
        message,
        date=now(),
        message_id=make_msgid(domain=str(DNS_NAME)),
        charset=settings.DEFAULT_CHARSET,
        attributes=default_attributes() if attributes is None else attributes,
        keep=store.keep if store else lambda content: None,
    )
    return Envelope(id=uuid.uuid4().hex, mailer=mailer, queued_at=time.time(), message=data)


def now() -> datetime:
    """Return the time for the Date header, in the zone Django would have used."""
    return datetime.now(get_current_timezone() if settings.EMAIL_USE_LOCALTIME else UTC)


def hand_over(packed: Sequence[str], options: QueueOptions) -> None:
    """Publish now, or when the surrounding transaction commits."""
    if options.on_commit and transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: publish_all(packed, options))
    else:
        publish_all(packed, options)


def publish_all(packed: Sequence[str], options: QueueOptions) -> None:
    queued = 0
    for batch in batches(packed, options.batch_size):
        try:
            publish(batch, queue=options.queue, priority=options.priority)
        except PublishError as error:
            raise PublishError(str(error), queued=queued) from None
        queued += len(batch)


def batches(packed: Sequence[str], size: int) -> Iterator[list[str]]:
    """Cut into batches of at most `size` envelopes, and of one if that is large."""
    batch: list[str] = []
    room = BATCH_BYTES
    for text in packed:
        if batch and (len(batch) == size or len(text) > room):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(text)
        room -= len(text)
    yield batch
