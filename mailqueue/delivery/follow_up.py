"""What follows an attempt: the next one and dead letters on the broker, and the signals."""

import time
from collections.abc import Callable, Sequence

from mailqueue import signals
from mailqueue.broker import eager
from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publisher
from mailqueue.codec.identity import message_id_of
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.opaque import Opaque
from mailqueue.outcome.outcome import Kind, Outcome, queue_id_of
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope

# How long a worker holds a batch whose next attempts the broker does not take. Giving it back
# means sending the delivered part of it again, so patience is worth a worker's time.
PATIENCE = 600.0


def follow_up(settlement: Settlement, lane: Lane, *, text: Opaque[str]) -> None:
    """Publish what an attempt left to do: the next attempt first, then the dead letters.

    `text` is the envelope as it came.
    """
    if (again := settlement.again) is not None:
        wait = max(0.0, (again.due_at or 0.0) - time.time())
        publish_again(Opaque(lane.pack(again)), lane, wait)
    for dead in settlement.dead:
        whole = dead.envelope is settlement.envelope
        content = text if whole else Opaque(lane.pack(dead.envelope))
        bury(dead, lane, content=content, attempts=settlement.attempts)


def announce(settlement: Settlement, dead: Sequence[Dead]) -> None:
    """Send the signals of an attempt; `dead` are the dead letters that its ledger has made."""
    envelope, again = settlement.envelope, settlement.again
    message_id = message_id_of(envelope.message)
    who = {"mailer": envelope.mailer, "id": envelope.id}
    sent = [each for each in settlement.outcomes.values() if each.kind is Kind.SENT]
    if signals.attempted.has_listeners() and settlement.outcome is not None:
        announce_attempt(settlement, settlement.outcome, message_id)
    if sent:
        signals.tell(
            signals.sent,
            **who,
            message_id=message_id,
            attempts=settlement.attempts,
            queue_id=queue_id_of(sent, settlement.outcomes),
            age=max(0.0, settlement.ended_at - envelope.queued_at),
        )
    if again is not None:
        cause = settlement.cause
        signals.tell(
            signals.deferred,
            **who,
            message_id=message_id,
            attempts=again.attempts,
            delay=max(0.0, (again.due_at or 0.0) - time.time()),
            kind=cause.kind if cause else "",
            stage=cause.stage if cause else "",
            reason=cause.reason if cause else settlement.untried,
            code=cause and cause.code,
            enhanced=cause and cause.enhanced,
        )
    for each in dead:
        signals.tell_dead(
            mailer=envelope.mailer,
            id=each.envelope.id,
            message_id=message_id,
            attempts=settlement.attempts,
            origin=envelope.id,
            kind=each.outcome.kind,
            stage=each.outcome.stage,
            reason=each.reason,
            code=each.outcome.code,
            enhanced=each.outcome.enhanced,
        )


def announce_attempt(settlement: Settlement, outcome: Outcome, message_id: str) -> None:
    """Send the signal of what a target was handed, whatever follows from its answer."""
    envelope = settlement.envelope
    signals.tell(
        signals.attempted,
        mailer=envelope.mailer,
        id=envelope.id,
        message_id=message_id,
        attempts=settlement.attempts,
        began_at=settlement.began_at,
        seconds=max(0.0, settlement.ended_at - settlement.began_at),
        kind=outcome.kind,
        stage=outcome.stage,
        code=outcome.code,
        enhanced=outcome.enhanced,
        queue_id=queue_id_of([outcome], settlement.outcomes),
        traceparent=envelope.traceparent,
    )


def publish_again(text: Opaque[str], lane: Lane, countdown: float) -> None:
    """Publish an envelope to come back later, or after as much of that as a broker may hold."""
    persist(lambda: lane.publish([text.value], countdown=countdown))


def bury(dead: Dead, lane: Lane, *, content: Opaque[str], attempts: int) -> None:
    """Make a dead letter of the broker, for the recipients that its envelope names."""
    envelope, outcome = dead.envelope, dead.outcome
    letter = DeadLetter(
        content=content.value,
        reason=dead.reason,
        kind=outcome.kind,
        stage=outcome.stage,
        code=outcome.code,
        enhanced=outcome.enhanced,
        id=envelope.id,
        mailer=envelope.mailer,
        message_id=message_id_of(envelope.message),
        attempts=attempts,
    )
    persist(lambda: park(letter, publisher(), queue=lane.options.queue))


def bury_unread(
    content: Opaque[str], reason: str, *, queue: str, envelope: Envelope | None = None
) -> None:
    """Make a dead letter of what this process has no lane for, or cannot read, as it came.

    `queue` is the mail queue that it came by.
    """
    letter = DeadLetter(
        content=content.value,
        reason=reason,
        id=envelope.id if envelope else "",
        mailer=envelope.mailer if envelope else "",
        message_id=message_id_of(envelope.message) if envelope else "",
        attempts=envelope.attempts if envelope else 0,
    )
    persist(lambda: park(letter, publisher(), queue=queue))


def persist(publication: Callable[[], None]) -> None:
    """Publish, again and again while the broker is away; `PublishError` when patience ends.

    In eager mode nobody waits: the caller does.
    """
    if eager.attempt.get() is not None:
        return publication()
    end = time.monotonic() + PATIENCE
    pause = 1.0
    while True:
        try:
            return publication()
        except PublishError:
            if time.monotonic() + pause > end:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 30.0)


def bury_whole(batch: Opaque[str], defect: str, *, queue: str) -> None:
    """Make a dead letter of a batch that a defect of ours has stopped, and say where."""
    bury_unread(batch, f"internal error: {defect.partition(' ')[0]}", queue=queue)
    logger.error("A batch became a dead letter: internal error: %s.", defect)
