"""What a project does with a mail that the ledger keeps, and with a mailer."""

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction

from mailqueue import pauses, signals
from mailqueue.lanes import lane_of
from mailqueue.ledger.selection import is_installed, unconfigured_ledger
from mailqueue.ledger.table import table_database

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger


def cancel(id: str) -> bool:  # noqa: A002 (what signals call it)
    """Cancel a mail; False if it is too late: a worker is sending it, or it has an end already.

    True is final once the surrounding transaction commits: no attempt follows, and unless an
    earlier one was for some of the recipients, none was made. Its mailer need not be in MAILERS
    any more.
    """
    from mailqueue.ledger.models import Entry  # a model, so not before the apps

    database = router.db_for_write(Entry)
    found = Entry.objects.using(database).filter(pk=id).values_list("mailer", flat=True)
    mailer = found.first()
    if mailer is None or not keeper(mailer).cancel(id):
        return False
    transaction.on_commit(
        lambda: signals.tell(signals.cancelled, mailer=mailer, id=id), using=database, robust=True
    )
    return True


def keeper(mailer: str) -> "DatabaseLedger":
    """Return the ledger of a mailer; one that does not queue here any more has the defaults."""
    try:
        return lane_of(mailer).kept()
    except ImproperlyConfigured:
        return unconfigured_ledger(mailer)


def pause(mailer: str) -> bool:
    """Let the mail of a queue mailer wait, whoever has it; False if it is paused already.

    Mail is accepted as before. What a worker has in hand is still sent. Where the ledger is
    installed it counts once the surrounding transaction commits. Raises `MailerDoesNotExist`,
    `InvalidMailer` for a mailer that does not queue, and what the database raises; without the
    ledger `PublishError` if the broker cannot be asked.
    """
    return pauses.pause(mailer, lane_of(mailer).options.queue)


def resume(mailer: str) -> bool:
    """Let the mail of a paused mailer go; False if it is not paused. Raises what `pause` does."""
    lane = lane_of(mailer)
    resumed = pauses.resume(mailer, lane.options.queue)
    if resumed and is_installed():
        transaction.on_commit(lane.ring, using=table_database(), robust=True)
    return resumed
