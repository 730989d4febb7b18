"""A row that was taken as a claim, if this worker can open it."""

import dataclasses
import time

from mailqueue.errors import DecodeError
from mailqueue.ledger.claims import Claim, doom
from mailqueue.ledger.taking import Taken
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import worker_keys

# Seconds until a row that this worker could not open is due again: as many as it is old, so that
# a worker that can open it soon has it, and so that many such rows are not asked for all the time.
UNREADABLE_PAUSES = 5.0, 600.0


def opened(row: Taken, *, until: float, most: int) -> Claim:
    """Return the claim of a row; ``most`` is how often it may be sent with an unknown outcome.

    Raises `DecodeError` for a payload that none of our keys opens, or that is another row's.
    """
    envelope = unpack(row.payload, worker_keys())
    if (envelope.id, envelope.mailer) != (row.id, row.mailer):
        raise DecodeError("the payload belongs to another mail")
    handed = row.handed - 1  # without this claim
    return Claim(
        envelope=dataclasses.replace(
            envelope,
            queued_at=envelope.queued_at + row.held,
            attempts=row.attempts,
            due_at=None,
            resent=0 < handed >= most,
        ),
        fence=row.fence,
        handed=handed,
        doomed=doom(handed=handed, most=most),
        until=until,
    )


def pause_of(row: Taken) -> float:
    """Return the seconds until a row that could not be opened is due again."""
    least, longest = UNREADABLE_PAUSES
    return max(least, min(longest, time.time() - row.queued_at.timestamp()))
