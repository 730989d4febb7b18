"""The relay: publishes what is due. Any number of relays may run at once."""

from collections import defaultdict

from mailqueue.lanes import queue_mailers
from mailqueue.ledger.interface import Due
from mailqueue.ledger.levels import database_ledger
from mailqueue.ledger.outbox import publish_due

# Rows taken at once. MariaDB reads the whole table for a list of 1000 ids or more
# (in_predicate_conversion_threshold).
BATCH = 500


def relay() -> int:
    """Publish what is due now, at most one batch, and return how many the broker took.

    Raises what the database raises.
    """
    mailers = queue_mailers()
    if not mailers:
        return 0
    ledger = database_ledger(next(iter(mailers.values())))
    due: defaultdict[str, list[Due]] = defaultdict(list)
    for each in ledger.due(list(mailers), limit=BATCH):
        due[each.mailer].append(each)
    taken = 0
    for mailer, group in due.items():
        options = mailers[mailer]
        taken += len(publish_due(group, ledger=ledger, mailer=mailer, options=options))
    return taken


def purge() -> int:
    """Delete one small batch of mails that were kept long enough; return how many."""
    mailers = queue_mailers()
    if not mailers:
        return 0
    return database_ledger(next(iter(mailers.values()))).purge(limit=BATCH)
