"""What a project does with a mail that the ledger keeps."""

from django.db import router, transaction

from mailqueue import signals
from mailqueue.lanes import lane_of


def cancel(id: str) -> bool:  # noqa: A002 (what signals call it)
    """Cancel a mail; False if it is too late: a worker is sending it, or it has an end already.

    True is final once the surrounding transaction commits: no attempt follows, and unless an
    earlier one was for some of the recipients, none was made. Raises `InvalidMailer` if its mailer
    is not configured.
    """
    from mailqueue.ledger.models import Entry  # a model, so not before the apps

    database = router.db_for_write(Entry)
    found = Entry.objects.using(database).filter(pk=id).values_list("mailer", flat=True)
    mailer = found.first()
    if mailer is None or not lane_of(mailer).kept().cancel(id):
        return False
    transaction.on_commit(
        lambda: signals.tell(signals.cancelled, mailer=mailer, id=id), using=database, robust=True
    )
    return True
