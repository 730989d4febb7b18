"""The sender's half: accept messages, make envelopes of them, hand them to ledger and broker."""

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import make_msgid
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.core.mail import DNS_NAME, EmailMessage
from django.db import transaction
from django.utils.timezone import get_current_timezone

from mailqueue import signals
from mailqueue.codec import encode
from mailqueue.codec.attributes import default_attributes
from mailqueue.codec.preflight import check
from mailqueue.errors import EncodeError, PublishError
from mailqueue.lanes import Lane
from mailqueue.scheduling import MessageOptions, id_of, options_of_message
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.envelope import Envelope

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger

# Brokers like many small messages better than one that is huge.
TASK_BYTES = 2**20


class Packed(NamedTuple):
    """An envelope, and the text that travels."""

    envelope: Envelope
    text: str


def accept(messages: Sequence[EmailMessage], lane: Lane) -> int:
    """Queue the messages that have recipients and return their number.

    All or none: each is checked and packed before the first one is published. Inside
    `transaction.atomic` they are published when it commits, if the mailer's ``on_commit`` is on;
    with the database ledger they are kept by that transaction, and a broker that is away is no
    error. Raises `EncodeError`, `ValueError` (header injection), `PublishError`.
    """
    store = lane.store()
    addressed = [message for message in messages if message.recipients()]
    envelopes = [envelope(message, lane, store) for message in addressed]
    limit = lane.options.max_message_bytes
    packed = [Packed(each, lane.pack(each, limit=limit)) for each in envelopes]
    if packed and lane.ledger is not None:
        keep(unknown(packed, addressed, lane.ledger), lane.ledger, lane)
    elif packed:
        hand_over(packed, lane)
    return len(packed)


def envelope(message: EmailMessage, lane: Lane, store: AttachmentStore | None) -> Envelope:
    """Freeze a message: from here on every attempt has this id, Date and Message-ID."""
    check(message)
    wishes = options_of_message(message)
    attributes = lane.options.extra_attributes
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
        id=identify(wishes, lane),
        mailer=lane.mailer,
        queued_at=max(present, wishes.send_at or 0.0),  # a mail does not age before its time
        message=data,
        due_at=wishes.send_at,
        expires_at=wishes.expire(present),
    )


def identify(wishes: MessageOptions, lane: Lane) -> str:
    """Return the id of a mail: new, or the one that belongs to its idempotency key."""
    if wishes.idempotency_key is None:
        return uuid.uuid4().hex
    if lane.options.ledger is None:
        raise EncodeError("an idempotency key needs a mailer with a ledger")
    return id_of(wishes.idempotency_key, lane.mailer)


def now() -> datetime:
    """Return the time for the Date header, in the zone Django would have used."""
    return datetime.now(get_current_timezone() if settings.EMAIL_USE_LOCALTIME else UTC)


def unknown(
    packed: Sequence[Packed], messages: Sequence[EmailMessage], ledger: "DatabaseLedger"
) -> list[Packed]:
    """Leave out what an idempotency key shows to be kept already."""
    keyed = {
        each.envelope.id
        for each, message in zip(packed, messages, strict=True)
        if options_of_message(message).idempotency_key is not None
    }
    known = ledger.known(keyed) if keyed else set()
    return [each for each in packed if each.envelope.id not in known]


def keep(packed: Sequence[Packed], ledger: "DatabaseLedger", lane: Lane) -> None:
    """Write the mails into the caller's transaction; ring for them when it commits."""
    if not packed:
        return
    ledger.record(packed)
    now = time.time()
    due = any((each.envelope.due_at or 0.0) <= now for each in packed)

    def committed() -> None:
        tell_queued(packed)
        if due:
            lane.ring()

    # robust: the mails are kept, and whatever fails now must not seem to say that they are not.
    transaction.on_commit(committed, using=ledger.database, robust=True)


def hand_over(packed: Sequence[Packed], lane: Lane) -> None:
    """Publish now, or when the surrounding transaction commits."""
    if lane.options.on_commit and transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: publish_all(packed, lane))
    else:
        publish_all(packed, lane)


def publish_all(packed: Sequence[Packed], lane: Lane) -> None:
    queued = 0
    for task, countdown in tasks(packed, lane.options.batch_size):
        try:
            lane.publish([each.text for each in task], countdown=countdown)
        except PublishError as error:
            raise PublishError(str(error), queued=queued) from None
        queued += len(task)
        tell_queued(task)


def tell_queued(packed: Sequence[Packed]) -> None:
    for each in packed:
        signals.tell(signals.queued, mailer=each.envelope.mailer, id=each.envelope.id)


def tasks(packed: Sequence[Packed], size: int) -> Iterator[tuple[list[Packed], float]]:
    """Yield what travels together: at most `size` envelopes, and one if it is large or has to wait.

    Yields with each the seconds that it has to wait.
    """
    present = time.time()
    task: list[Packed] = []
    room = TASK_BYTES
    for each in packed:
        wait = (each.envelope.due_at or 0.0) - present
        if wait > 0:
            yield [each], wait
            continue
        if task and (len(task) == size or len(each.text) > room):
            yield task, 0.0
            task, room = [], TASK_BYTES
        task.append(each)
        room -= len(each.text)
    if task:
        yield task, 0.0
