"""What follows an attempt: the next one and dead letters on the broker, and the signals."""

import json
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mailqueue import signals
from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publish, publisher
from mailqueue.delivery.deliver import Dead, Settlement
from mailqueue.delivery.outcome import Kind
from mailqueue.errors import PublishError
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.keys import keys_from_settings

# How long a worker holds a batch whose next attempts the broker does not take. Giving it back
# means sending the delivered part of it again, so patience is worth a worker's time.
PATIENCE = 600.0

logger = logging.getLogger("mailqueue")


def follow_up(settlement: Settlement, options: QueueOptions) -> None:
    """Publish what an attempt left to do: the next attempt first, then the dead letters."""
    if (again := settlement.again) is not None:
        publish_again(again, options, max(0.0, (again.due_at or 0.0) - time.time()))
    for dead in settlement.dead:
        outcome = dead.outcome
        give_up(
            dead.envelope,
            dead.reason,
            options,
            kind=outcome.kind,
            stage=outcome.stage,
            code=outcome.code,
            enhanced=outcome.enhanced,
        )


def tell(settlement: Settlement, dead: Sequence[Dead]) -> None:
    """Send the signals of an attempt; `dead` are its dead letters under the ids they now have."""
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
        signals.tell(
            signals.dead,
            mailer=envelope.mailer,
            id=each.envelope.id,
            origin=envelope.id,
            reason=each.reason,
            code=each.outcome.code,
            enhanced=each.outcome.enhanced,
        )


def publish_again(envelope: Envelope, options: QueueOptions, countdown: float) -> None:
    """Publish an envelope to come back later, or after as much of that as a broker may hold."""
    packed = pack(envelope, keys_from_settings(options.encryption_keys))
    lane: dict[str, Any] = {"queue": options.queue, "priority": options.priority}
    persist(partial(publish, [packed], **lane, countdown=countdown))


def give_up(
    envelope: Envelope, reason: str, options: QueueOptions | None = None, **details: Any
) -> None:
    """Make an envelope a dead letter of the broker."""
    packed = pack(envelope, keys_from_settings(options.encryption_keys if options else ()))
    details |= {"id": envelope.id, "mailer": envelope.mailer}
    queue = options.queue if options else QueueOptions.DEFAULT_QUEUE
    persist(partial(bury, packed, reason, queue=queue, **details))


def bury(
    content: object, reason: str, *, queue: str = QueueOptions.DEFAULT_QUEUE, **details: Any
) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    park(DeadLetter(content=text, reason=reason, **details), publisher(), queue=queue)


def persist(publication: Callable[[], None]) -> None:
    """Publish, again and again while the broker is away; `PublishError` when patience ends."""
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


def park_whole(batch: str, error: Exception) -> None:
    """Make a dead letter of a batch that a defect of ours has stopped."""
    reason = f"internal error: {type(error).__name__}"
    persist(partial(bury, batch, reason))
    # Neither the error's text nor its traceback's: both may quote the mail.
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("A batch became a dead letter: %s (%s:%s).", reason, place.name, place.lineno)
