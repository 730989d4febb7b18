"""The mailers that somebody has paused, for all workers of all machines.

They are in the table where the ledger is installed, whichever level a mailer has; else on the
broker.
"""

from datetime import UTC, datetime

from django.conf import settings

from mailqueue.broker import pauses as on_broker
from mailqueue.broker.publish import publisher
from mailqueue.ledger.selection import is_installed


def pause(mailer: str, queue: str) -> bool:
    """Pause a mailer, whose queue that is; False if it is paused already.

    Raises `PublishError`, or what the database raises; so do the others.
    """
    if not is_installed():
        return on_broker.pause(publisher(), mailer, queue)
    from mailqueue.ledger import pauses  # a model, so not before the apps

    return pauses.pause(mailer)


def resume(mailer: str, queue: str) -> bool:
    """End the pause of a mailer; False if it is not paused."""
    if not is_installed():
        return on_broker.resume(publisher(), mailer, queue)
    from mailqueue.ledger import pauses  # a model, so not before the apps

    return pauses.resume(mailer)


def is_paused(mailer: str, queue: str) -> bool:
    """Ask whether a mailer is paused."""
    if not is_installed():
        return on_broker.is_paused(publisher(), mailer, queue)
    return paused_since(mailer, queue) is not None


def paused_since(mailer: str, queue: str) -> datetime | None:
    """Ask since when a mailer is paused; None if it is not."""
    if not is_installed():
        since = on_broker.paused_since(publisher(), mailer, queue)
        zone = UTC if settings.USE_TZ else None
        return None if since is None else datetime.fromtimestamp(since, zone)
    from mailqueue.ledger import pauses  # a model, so not before the apps

    return pauses.paused().get(mailer)
