"""The sender's half: accept messages, make envelopes of them, hand them to ledger and broker."""

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import make_msgid
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.core.mail import DNS_NAME, EmailMessage
from django.db import Error
from django.utils.timezone import get_current_timezone

from mailqueue import signals
from mailqueue.codec import encode
from mailqueue.codec.attributes import default_attributes
from mailqueue.codec.preflight import check
from mailqueue.commits import is_broken, open_blocks, when_committed
from mailqueue.errors import EncodeError, LedgerError, PublishError
from mailqueue.lanes import Lane
from mailqueue.log import BORN_OF_A_LOG, logger
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

    All or none: each is checked and packed before the first one is queued. Inside of
    `transaction.atomic` they wait until it commits, as the mailer's ``on_commit`` says; with the
    ledger they are part of a block on its own database, and a broker that is away is no error.
    Raises `EncodeError`, `ValueError` (header injection), `PublishError`.
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


def blocks_of(lane: Lane) -> list[str]:
    """Return the databases whose open blocks the mail of a lane waits for."""
    on_commit = lane.options.on_commit
    if on_commit is False:
        return []
    return open_blocks(None if on_commit is True else on_commit)


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
    wait = (wishes.send_at or 0.0) - present
    if "claims" in data and lane.ledger is None and wait > lane.options.retry.max_age:
        raise EncodeError(
            "'send_at' is further away than 'max_age': without the ledger its attachments in the "
            "storage would be purged before"
        )
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
        # A mail that tells of a dead letter must not beget one when it dies itself.
        return (BORN_OF_A_LOG if logger.is_speaking() else "") + uuid.uuid4().hex
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
    known = ledger.known(keyed) if keyed and not is_broken(ledger.database) else set()
    return [each for each in packed if each.envelope.id not in known]


def keep(packed: Sequence[Packed], ledger: "DatabaseLedger", lane: Lane) -> None:
    """Write the mails into the caller's transaction; ring for them when it commits.

    Where blocks on other databases are open, they are written when all of them have committed.
    """

    def record() -> None:
        if packed and not is_broken(ledger.database):  # else they would be rolled back with it
            ledger.record(packed)
            when_committed(kept, open_blocks(ledger.database))

    def kept() -> None:
        tell_queued(packed)
        now = time.time()
        if any((each.envelope.due_at or 0.0) <= now for each in packed):
            lane.ring()

    def record_late() -> None:
        try:
            record()
        except Error as error:
            tell_lost(packed, "the transaction committed, and the ledger did not take it")
            raise LedgerError(type(error).__name__) from None

    blocks = blocks_of(lane)
    if blocks in ([], [ledger.database]):
        record()
    else:
        when_committed(record_late, blocks)


def hand_over(packed: Sequence[Packed], lane: Lane) -> None:
    """Publish now, or when the blocks around it have committed."""
    blocks = blocks_of(lane)
    action = publish_committed if blocks else publish_all
    when_committed(lambda: action(packed, lane), blocks)


def publish_committed(packed: Sequence[Packed], lane: Lane) -> None:
    """Publish after a commit, where nobody is left to be told of an error: what fails is dead."""
    try:
        publish_all(packed, lane)
    except PublishError as error:
        lost = packed[error.queued :]
        tell_lost(lost, "the transaction committed, and the broker did not take it")
        raise


def tell_lost(packed: Sequence[Packed], reason: str) -> None:
    """Tell of mail that nothing keeps."""
    for each in packed:
        mailer, name = each.envelope.mailer, each.envelope.id
        signals.tell_dead(mailer=mailer, id=name, origin=name, reason=reason)


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
