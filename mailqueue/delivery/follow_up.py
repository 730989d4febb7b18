"""What follows an attempt: the next one and dead letters on the broker, and the signals."""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial

from mailqueue import signals
from mailqueue.broker import eager
from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publisher
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.outcome.outcome import Kind, Outcome
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope

# How long a worker holds a batch whose next attempts the broker does not take. Giving it back
# means sending the delivered part of it again, so patience is worth a worker's time.
PATIENCE = 600.0


def follow_up(settlement: Settlement, lane: Lane) -> None:
    """Publish what an attempt left to do: the next attempt first, then the dead letters."""
    if (again := settlement.again) is not None:
        publish_again(again, lane, max(0.0, (again.due_at or 0.0) - time.time()))
    for dead in settlement.dead:
        bury(dead.envelope, lane, dead.reason, dead.outcome)


def announce(settlement: Settlement, dead: Sequence[Dead]) -> None:
    """Send the signals of an attempt; `dead` are the dead letters that its ledger has made."""
    envelope, again = settlement.envelope, settlement.again
    who = {"mailer": envelope.mailer, "id": envelope.id}
    outcomes = settlement.outcomes.values()
    if any(outcome.kind is Kind.SENT for outcome in outcomes):
        signals.tell(signals.sent, **who, attempts=envelope.attempts + 1)
    if again is not None:
        cause = settlement.cause
        signals.tell(
            signals.deferred,
            **who,
            attempts=again.attempts,
            delay=max(0.0, (again.due_at or 0.0) - time.time()),
            code=cause and cause.code,
            enhanced=cause and cause.enhanced,
        )
    for each in dead:
        signals.tell_dead(
            mailer=envelope.mailer,
            id=each.envelope.id,
            origin=envelope.id,
            reason=each.reason,
            code=each.outcome.code,
            enhanced=each.outcome.enhanced,
        )


def publish_again(envelope: Envelope, lane: Lane, countdown: float) -> None:
    """Publish an envelope to come back later, or after as much of that as a broker may hold."""
    persist(partial(lane.publish, [lane.pack(envelope)], countdown=countdown))


def bury(envelope: Envelope, lane: Lane, reason: str, outcome: Outcome) -> None:
    """Make a dead letter of the broker, for the recipients that the envelope names."""
    letter = DeadLetter(
        content=lane.pack(envelope),
        reason=reason,
        kind=outcome.kind,
        stage=outcome.stage,
        code=outcome.code,
        enhanced=outcome.enhanced,
        id=envelope.id,
        mailer=envelope.mailer,
    )
    persist(lambda: park(letter, publisher(), queue=lane.options.queue))


def bury_unread(
    content: object, reason: str, *, queue: str, envelope: Envelope | None = None
) -> None:
    """Make a dead letter of what this process has no lane for, or cannot read, as it came.

    `queue` is the mail queue that it came by.
    """
    letter = DeadLetter(
        content=content if isinstance(content, str) else json.dumps(content),
        reason=reason,
        id=envelope.id if envelope else "",
        mailer=envelope.mailer if envelope else "",
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


def bury_whole(batch: str, error: Exception, *, queue: str) -> None:
    """Make a dead letter of a batch that a defect of ours has stopped."""
    reason = f"internal error: {type(error).__name__}"
    bury_unread(batch, reason, queue=queue)
    # Neither the error's text nor its traceback's: both may quote the mail.
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("A batch became a dead letter: %s (%s:%s).", reason, place.name, place.lineno)
