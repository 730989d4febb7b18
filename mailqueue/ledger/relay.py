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
    """Publish all that is due now and return how many mails the broker took.

    Ends early when the broker takes no more. Raises what the database raises.
    """
    mailers = queue_mailers()
    if not mailers:
        return 0
    ledger = database_ledger(next(iter(mailers.values())))
    published = 0
    while due := ledger.due(list(mailers), limit=BATCH):
        groups: defaultdict[str, list[Due]] = defaultdict(list)
        for each in due:
            groups[each.mailer].append(each)
        taken = sum(
            len(publish_due(group, ledger=ledger, mailer=mailer, options=mailers[mailer]))
            for mailer, group in groups.items()
        )
        published += taken
        if taken < len(due):
            break
    return published


def purge() -> int:
    """Delete one small batch of mails that were kept long enough; return how many."""
    mailers = queue_mailers()
    if not mailers:
        return 0
    return database_ledger(next(iter(mailers.values()))).purge(limit=BATCH)
