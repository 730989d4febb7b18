"""The sender's half: accept messages, make envelopes of them, hand them to ledger and broker."""

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.core.mail import DNS_NAME, EmailMessage
from django.db import transaction
from django.utils.timezone import get_current_timezone

from mailqueue import signals
from mailqueue.broker.publish import publish
from mailqueue.errors import EncodeError, PublishError
from mailqueue.ledger.interface import DurableLedger
from mailqueue.ledger.levels import ledger_of
from mailqueue.ledger.outbox import publish_kept
from mailqueue.mail.scheduling import MessageOptions, id_of, options_of_message
from mailqueue.options import QueueOptions
from mailqueue.preflight import check
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.attributes import default_attributes
from mailqueue.wire.codec import encode
from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.keys import keys_from_settings
from mailqueue.wire.storage import attachment_store

Packed = tuple[Envelope, str]

# Brokers like many small messages better than one that is huge.
BATCH_BYTES = 2**20


def accept(messages: Sequence[EmailMessage], *, mailer: str, options: QueueOptions) -> int:
    """Queue the messages that have recipients and return their number.

    All or none: each is checked and packed before the first one is published. Inside
    `transaction.atomic` they are published when it commits, if the mailer's ``on_commit`` is on;
    with the database ledger they are kept by that transaction, and a broker that is away is no
    error. Raises `EncodeError`, `ValueError` (header injection), `PublishError`.
    """
    keys = keys_from_settings(options.encryption_keys)
    store = attachment_store(options, keys)
    addressed = [message for message in messages if message.recipients()]
    envelopes = [envelope(message, mailer, options, store) for message in addressed]
    packed = [(each, pack(each, keys, limit=options.max_message_bytes)) for each in envelopes]
    if packed:
        ledger = ledger_of(options)
        if isinstance(ledger, DurableLedger):
            keep(unknown(packed, addressed, ledger), ledger, mailer, options)
        else:
            hand_over(packed, options)
    return len(packed)


def envelope(
    message: EmailMessage, mailer: str, options: QueueOptions, store: AttachmentStore | None
) -> Envelope:
    """Freeze a message: from here on every attempt has this id, Date and Message-ID."""
    check(message)
    wishes = options_of_message(message)
    attributes = options.extra_attributes
    data = encode(
        message,
        date=now(),
        message_id=make_msgid(domain=str(DNS_NAME)),
        charset=settings.DEFAULT_CHARSET,
        attributes=default_attributes() if attributes is None else attributes,
        keep=store.keep if store else lambda content: None,
    )
    present = time.time()
    return Envelope(
        id=identify(mailer, wishes, options),
        mailer=mailer,
        queued_at=max(present, wishes.send_at or 0.0),  # a mail does not age before its time
        message=data,
        due_at=wishes.send_at,
        expires_at=wishes.expire(present),
    )


def identify(mailer: str, wishes: MessageOptions, options: QueueOptions) -> str:
    """Return the id of a mail: new, or the one that belongs to its idempotency key."""
    if wishes.idempotency_key is None:
        return uuid.uuid4().hex
    if options.ledger is None:
        raise EncodeError("an idempotency key needs a mailer with a ledger")
    return id_of(wishes.idempotency_key, mailer)


def now() -> datetime:
    """Return the time for the Date header, in the zone Django would have used."""
    return datetime.now(get_current_timezone() if settings.EMAIL_USE_LOCALTIME else UTC)


def unknown(
    packed: Sequence[Packed], messages: Sequence[EmailMessage], ledger: DurableLedger
) -> list[Packed]:
    """Leave out what an idempotency key shows to be kept already."""
    keyed = {
        each.id
        for (each, _), message in zip(packed, messages, strict=True)
        if options_of_message(message).idempotency_key is not None
    }
    known = ledger.known(keyed) if keyed else set()
    return [pair for pair in packed if pair[0].id not in known]


def keep(
    packed: Sequence[Packed], ledger: DurableLedger, mailer: str, options: QueueOptions
) -> None:
    """Write the mails into the caller's transaction; publish their ids when it commits."""
    ids = ledger.record(packed)
    transaction.on_commit(
        lambda: publish_kept(ids, ledger=ledger, mailer=mailer, options=options),
        using=ledger.database,
    )


def hand_over(packed: Sequence[Packed], options: QueueOptions) -> None:
    """Publish now, or when the surrounding transaction commits."""
    if options.on_commit and transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: publish_all(packed, options))
    else:
        publish_all(packed, options)


def publish_all(packed: Sequence[Packed], options: QueueOptions) -> None:
    queued = 0
    lane: dict[str, Any] = {"queue": options.queue, "priority": options.priority}
    for batch, countdown in batches(packed, options.batch_size):
        try:
            publish([text for _, text in batch], **lane, countdown=countdown)
        except PublishError as error:
            raise PublishError(str(error), queued=queued) from None
        queued += len(batch)
        for each, _ in batch:
            signals.tell(signals.queued, mailer=each.mailer, id=each.id, published=True)


def batches(packed: Sequence[Packed], size: int) -> Iterator[tuple[list[Packed], float]]:
    """Cut into batches of at most `size` envelopes, and of one if that is large or has to wait.

    Yields with each the seconds that it has to wait.
    """
    present = time.time()
    batch: list[Packed] = []
    room = BATCH_BYTES
    for each in packed:
        wait = (each[0].due_at or 0.0) - present
        if wait > 0:
            yield [each], wait
            continue
        if batch and (len(batch) == size or len(each[1]) > room):
            yield batch, 0.0
            batch, room = [], BATCH_BYTES
        batch.append(each)
        room -= len(each[1])
    if batch:
        yield batch, 0.0
