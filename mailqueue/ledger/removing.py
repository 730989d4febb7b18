"""Remove rows, and with them what is told of their mails elsewhere."""

from collections.abc import Sequence

from django.db import router, transaction
from django.db.models import F
from django.db.models.signals import post_delete, pre_delete

from mailqueue.ledger.models import Attempt, Entry, Recipient


def remove(ids: Sequence[str], **still: object) -> int:
    """Delete the mails of these ids that are ``still`` so; return how many there were.

    What is told of one elsewhere goes with it.
    """
    database = router.db_for_write(Entry)
    with transaction.atomic(using=database):
        entries = Entry.objects.using(database).filter(pk__in=ids)
        if any(signal.has_listeners(Entry) for signal in (pre_delete, post_delete)):
            # Django reads them for whoever listens, and deletes them whatever they are then: one
            # that was queued anew meanwhile would be lost. This locks them.
            entries.filter(**still).update(size=F("size"))
        number = entries.filter(**still).delete()[0]
        gone = set(ids) - set(entries.values_list("pk", flat=True)) if still else set(ids)
        for told in (Attempt, Recipient):
            told.objects.using(database).filter(entry_id__in=gone).delete()
    return number
