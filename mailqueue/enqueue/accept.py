"""Accept messages, all of a call or none, and hand them to ledger and broker."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from django.core.mail import EmailMessage

from mailqueue import signals
from mailqueue.codec.identity import message_id_of
from mailqueue.commits import is_broken, open_blocks, when_committed
from mailqueue.enqueue.freeze import freeze
from mailqueue.errors import LedgerError, PublishError
from mailqueue.lanes import Lane
from mailqueue.opaque import Opaque
from mailqueue.scheduling import options_of_message
from mailqueue.wire.envelope import Envelope

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger

# Brokers like many small messages better than one that is huge.
TASK_BYTES = 2**20

# The attribute of a message object that says under which id it was accepted last.
ID = "mailqueue_id"


class Packed(NamedTuple):
    """An envelope, the text that travels, and the message that they were made of."""

    envelope: Envelope
    text: Opaque[str]
    message: EmailMessage


def accept(messages: Sequence[EmailMessage], lane: Lane) -> int:
    """Queue the messages that have recipients and return their number.

    All or none: each is checked and packed before the first one is queued. Inside of
    `transaction.atomic` they wait until it commits, as the mailer's ``on_commit`` says; with the
    ledger they are part of a block on its own database, and a broker that is away is no error.
    Raises `EncodeError`, `ValueError` (header injection), `PublishError`.
    """
    store = lane.store()
    addressed = [message for message in messages if message.recipients()]
    envelopes = [freeze(message, lane, store) for message in addressed]
    limit = lane.options.max_message_bytes
    texts = [Opaque(lane.pack(each, limit=limit)) for each in envelopes]
    packed = list(map(Packed, envelopes, texts, addressed))
    if packed and lane.ledger is not None:
        keep(unknown(packed, lane.ledger), lane.ledger, lane)
    elif packed:
        hand_over(packed, lane)
    name_messages(packed)
    return len(packed)


def blocks_of(lane: Lane) -> list[str]:
    """Return the databases whose open blocks the mail of a lane waits for."""
    on_commit = lane.options.on_commit
    if on_commit is False:
        return []
    return open_blocks(None if on_commit is True else on_commit)


def unknown(packed: Sequence[Packed], ledger: "DatabaseLedger") -> list[Packed]:
    """Leave out what an idempotency key shows to be kept already."""
    keyed = {
        each.envelope.id
        for each in packed
        if options_of_message(each.message).idempotency_key is not None
    }
    known = ledger.known(keyed) if keyed and not is_broken(ledger.database) else set()
    return [each for each in packed if each.envelope.id not in known]


def keep(packed: Sequence[Packed], ledger: "DatabaseLedger", lane: Lane) -> None:
    """Write the mails into the caller's transaction; ring for them when it commits.

    Where blocks on other databases are open, they are written when all of them have committed.
    """

    def record() -> None:
        if packed and not is_broken(ledger.database):  # else they would be rolled back with it
            ledger.record([(each.envelope, each.text.value) for each in packed])
            when_committed(kept, open_blocks(ledger.database))

    def kept() -> None:
        tell_queued(packed)
        now = time.time()
        if any((each.envelope.due_at or 0.0) <= now for each in packed):
            lane.ring_soon()

    def record_late() -> None:
        try:
            record()
        except Exception as error:  # noqa: BLE001 (Django drops what it is)
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
    when_committed(lambda: action(packed, lane, []), blocks)


def publish_committed(packed: Sequence[Packed], lane: Lane, queued: list[Packed]) -> None:
    """Publish after a commit, where nobody is left to be told of an error: what fails is dead.

    So is what a time limit of the caller's own task keeps from the broker: Django drops that, too.
    """
    try:
        publish_all(packed, lane, queued)
    except Exception:
        lost = packed[len(queued) :]
        tell_lost(lost, "the transaction committed, and the broker did not take it")
        raise


def tell_lost(packed: Sequence[Packed], reason: str) -> None:
    """Tell of mail that nothing keeps."""
    for each in packed:
        mailer, name = each.envelope.mailer, each.envelope.id
        message_id = message_id_of(each.envelope.message)
        signals.tell_dead(mailer=mailer, id=name, origin=name, reason=reason, message_id=message_id)


def publish_all(packed: Sequence[Packed], lane: Lane, queued: list[Packed]) -> None:
    """Publish task by task; ``queued`` gets what the broker has."""
    for task, countdown in tasks(packed, lane.options.batch_size):
        try:
            lane.publish([each.text.value for each in task], countdown=countdown)
        except PublishError as error:
            raise PublishError(str(error), queued=len(queued)) from None
        queued += task
        tell_queued(task)


def name_messages(packed: Sequence[Packed]) -> None:
    """Set on each message object the id under which it was accepted."""
    for each in packed:
        setattr(each.message, ID, each.envelope.id)


def tell_queued(packed: Sequence[Packed]) -> None:
    name_messages(packed)
    if not signals.queued.has_listeners():
        return
    for each in packed:
        signals.tell(
            signals.queued,
            mailer=each.envelope.mailer,
            id=each.envelope.id,
            message_id=message_id_of(each.envelope.message),
            message=each.message,
        )


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
        if task and (len(task) == size or len(each.text.value) > room):
            yield task, 0.0
            task, room = [], TASK_BYTES
        task.append(each)
        room -= len(each.text.value)
    if task:
        yield task, 0.0
