"""The paused mailers as rows: a worker claims no mail of them, and none grows older meanwhile."""

from datetime import datetime, timedelta

from django.db import router, transaction
from django.db.models import Exists, F

from mailqueue.ledger.clock import Clock
from mailqueue.ledger.models import UNFINISHED, Entry, Pause


def pause(mailer: str) -> bool:
    """Pause a mailer; False if it is paused already. Raises what the database raises."""
    rows = Pause.objects.using(database())
    return rows.get_or_create(mailer=mailer, defaults={"since": Clock()})[1]


def resume(mailer: str) -> bool:
    """End the pause of a mailer; False if it is not paused. Raises what the database raises.

    Its mails that have no end yet are as old afterwards as they were when the pause began.
    """
    row = Pause.objects.using(database()).filter(mailer=mailer)
    with transaction.atomic(using=database()):
        # SQLite lets nobody write who has read first.
        if not row.update(since=F("since")):
            return False
        since, now = row.values_list("since", Clock()).get()
        row.delete()
        length: timedelta = now - since
        Entry.objects.using(database()).filter(mailer=mailer, state__in=UNFINISHED).update(
            give_up_at=F("give_up_at") + length, held=F("held") + length.total_seconds()
        )
    return True


def paused() -> dict[str, datetime]:
    """Return the paused mailers, and since when; raises what the database raises."""
    return dict(Pause.objects.using(database()).values_list("mailer", "since"))


def waits(mailer: str) -> Exists:
    """Return the condition, for a query, that the mail of a mailer waits since that is paused."""
    return Exists(Pause.objects.using(database()).filter(mailer=mailer))


def database() -> str:
    return router.db_for_write(Pause)
