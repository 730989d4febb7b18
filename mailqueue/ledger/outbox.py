"""Publish what the database keeps: references, in batches, whether the broker is there or not."""

from collections.abc import Iterator, Sequence

from mailqueue import signals
from mailqueue.broker.publish import publish
from mailqueue.errors import PublishError
from mailqueue.ledger.interface import Due, DurableLedger
from mailqueue.options import QueueOptions
from mailqueue.wire.keys import keys_from_settings
from mailqueue.wire.reference import Reference, refer


def publish_kept(
    ids: Sequence[str], *, ledger: DurableLedger, mailer: str, options: QueueOptions
) -> None:
    """Publish what was just committed; what the broker does not take is left to the relay."""
    due = [Due(id=each, mailer=mailer, alone=False) for each in ids]
    taken = publish_due(due, ledger=ledger, mailer=mailer, options=options)
    for each in ids:
        signals.tell(signals.queued, mailer=mailer, id=each, published=each in taken)


def publish_due(
    due: Sequence[Due], *, ledger: DurableLedger, mailer: str, options: QueueOptions
) -> set[str]:
    """Publish references to mails of one mailer; return the ids that the broker took."""
    keys = keys_from_settings()
    taken: set[str] = set()
    try:
        for batch in batches(due, options.batch_size):
            texts = [refer(Reference(id=each, mailer=mailer), keys) for each in batch]
            publish(texts, queue=options.queue, priority=options.priority)
            taken.update(batch)
    except PublishError:
        ledger.not_published([each.id for each in due if each.id not in taken])
    return taken


def batches(due: Sequence[Due], size: int) -> Iterator[Sequence[str]]:
    """Yield the ids that travel together: what may kill its worker does not take others along."""
    together = [each.id for each in due if not each.alone]
    for start in range(0, len(together), size):
        yield together[start : start + size]
    for each in due:
        if each.alone:
            yield [each.id]
