"""What a project does with a mail that the database ledger keeps."""

from mailqueue import signals
from mailqueue.lanes import lane_of


def cancel(id: str) -> bool:  # noqa: A002 (what signals call it)
    """Cancel a mail; False if it is too late: a worker is sending it, or it has an end already.

    True is final: no attempt follows, and unless an earlier one was for some of the recipients,
    none was made. Raises `InvalidMailer` if its mailer is not configured.
    """
    from mailqueue.ledger.models import Entry  # a model cannot be imported before the apps are

    mailer = Entry.objects.filter(pk=id).values_list("mailer", flat=True).first()
    if mailer is None or not lane_of(mailer).kept().cancel(id):
        return False
    signals.tell(signals.cancelled, mailer=mailer, id=id)
    return True
