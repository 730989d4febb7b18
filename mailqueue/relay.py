"""The relay: publishes what the database keeps and what is due, whether the broker is there or not.

Any number of relays may run at once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mailqueue import signals
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.interface import Due
from mailqueue.wire.reference import Reference, refer

INTERVAL = 5.0  # seconds; what is due waits half of that on average, divided by the workers

# Rows taken at once. MariaDB reads the whole table for a list of 1000 ids or more
# (in_predicate_conversion_threshold).
BATCH = 500


def relay() -> int:
    """Publish all that is due now and return how many mails the broker took.

    Ends early when the broker takes no more. Raises what the database raises.
    """
    known = lanes()
    if not known:
        return 0
    ledger = one_of(known).kept()
    published = 0
    while due := ledger.due(list(known), limit=BATCH):
        groups: defaultdict[str, list[Due]] = defaultdict(list)
        for each in due:
            groups[each.mailer].append(each)
        taken = sum(len(publish_due(group, known[mailer])) for mailer, group in groups.items())
        published += taken
        if taken < len(due):
            break
    return published


def purge() -> int:
    """Delete one small batch of mails that were kept long enough; return how many."""
    known = lanes()
    return one_of(known).kept().purge(limit=BATCH) if known else 0


def one_of(known: Mapping[str, Lane]) -> Lane:
    """Return any lane: the table is one, whoever asks for it."""
    return next(iter(known.values()))


def publish_kept(ids: Sequence[str], lane: Lane) -> None:
    """Publish what was just committed; what the broker does not take is left to the relay."""
    due = [Due(id=each, mailer=lane.mailer, alone=False) for each in ids]
    taken = publish_due(due, lane)
    for each in ids:
        signals.tell(signals.queued, mailer=lane.mailer, id=each, published=each in taken)


def publish_due(due: Sequence[Due], lane: Lane) -> set[str]:
    """Publish references to mails of one mailer; return the ids that the broker took."""
    taken: set[str] = set()
    try:
        for ids in tasks(due, lane.options.batch_size):
            lane.publish([refer(Reference(id=each, mailer=lane.mailer), lane.keys) for each in ids])
            taken.update(ids)
    except PublishError:
        lane.kept().not_published([each.id for each in due if each.id not in taken])
    return taken


def tasks(due: Sequence[Due], size: int) -> Iterator[Sequence[str]]:
    """Yield the ids that travel together: what may kill its worker does not take others along."""
    together = [each.id for each in due if not each.alone]
    for start in range(0, len(together), size):
        yield together[start : start + size]
    for each in due:
        if each.alone:
            yield [each.id]
