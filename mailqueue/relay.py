"""The relay: rings for mail that is due and that nobody may be working on, and clears old rows.

Every worker runs it now and then, and so does ``manage.py mailqueue relay``; any number of them
may run at once. It asks one indexed question a lane and reads no mail.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.clock import leave_pool, limited
from mailqueue.log import tell_pause, tell_stranger

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger

INTERVAL = 5.0  # seconds; what nobody rang for waits half of that on average
PATIENCE = 30.0  # seconds for the database to answer one question
PURGE_SIZE = 500  # rows that are deleted at once


def relay() -> list[str]:
    """Ring for the queues on which mail is due; return those whose ring the broker took.

    Raises what the database raises.
    """
    known = lanes()
    if not known:
        return []
    due: dict[str, Lane] = {}
    with limited(any_ledger(known).database, PATIENCE):
        paused = paused_mailers()
        for lane in known.values():
            tell_pause(lane.mailer, paused=lane.mailer in paused)
            settled = lane.options.queue in due or lane.mailer in paused
            if not settled and lane.kept().is_due():
                due[lane.options.queue] = lane
        tell_strangers(known)
    return [queue for queue, lane in due.items() if lane.ring(unless_some=True)]


def purge() -> int:
    """Delete one small batch of mails that were kept long enough; return how many."""
    known = lanes()
    if not known:
        return 0
    ledger = any_ledger(known)
    with limited(ledger.database, PATIENCE):
        return ledger.purge(limit=PURGE_SIZE)


def prepare() -> None:
    """Make the connection to the database this thread's own."""
    if known := lanes():
        leave_pool(any_ledger(known).database)


def tell_strangers(known: Mapping[str, Lane]) -> None:
    """Tell of mail that waits for a mailer which this process does not have."""
    for mailer in any_ledger(known).strangers(list(known)):
        tell_stranger(mailer)


def paused_mailers() -> Collection[str]:
    """Return the mailers for whose mail nobody is to be called."""
    from mailqueue.ledger.pauses import paused  # a model, so not before the apps

    return paused()


def any_ledger(known: Mapping[str, Lane]) -> "DatabaseLedger":
    """Return the ledger of any lane: the table is one, whoever asks for it."""
    return next(iter(known.values())).kept()
