"""Delete stored attachments that no mail can need any more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import is_aware, make_aware

from mailqueue import pauses
from mailqueue.broker.dead import peek
from mailqueue.broker.publish import publisher
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.selection import is_installed
from mailqueue.wire.attachments import purge

HELP = "delete stored attachments that no mail can need any more"

# A worker may hold a mail somewhat longer than its last attempt was allowed to start.
MARGIN = timedelta(days=1)


def arguments(parser: CommandParser) -> None:
    """Take none."""


def run(command: BaseCommand, **options: Any) -> None:
    """Delete stored contents older than any mail that could claim them."""
    oldest: dict[str, datetime] = {}
    for lane in lanes().values():
        storage, life = lane.options.attachments, lane.options.retry.max_age
        if storage is not None:
            needed = datetime.now(UTC) - timedelta(seconds=life) - MARGIN
            try:
                needed = min(needed, needed_since(lane) or needed)
            except PublishError as error:
                raise CommandError(f"Dead letters cannot be looked at: {error}") from None
            oldest[storage] = min(needed, oldest.get(storage, needed))
    for alias, before in oldest.items():
        number = purge(storages[alias], before=before.date())
        command.stdout.write(f"{alias}: {number} attachments deleted")


def needed_since(lane: Lane) -> datetime | None:
    """Return when the oldest content was stored that a mail which is kept for long may need.

    That is a dead letter, one of a paused mailer or, with the ledger, one with a `send_at`.
    """
    since = [kept - MARGIN] if (kept := oldest_kept()) else []
    # Accepted at most this long before it died: `send_at` may be as far away as `max_age`.
    life = timedelta(seconds=2 * lane.options.retry.max_age) + MARGIN
    if paused := pauses.paused_since(lane.mailer, lane.options.queue):
        since.append((paused if is_aware(paused) else make_aware(paused)) - life)
    for letter in peek(publisher(), queue=lane.options.queue, limit=None):
        since.append(datetime.fromtimestamp(max(letter.died_at - life.total_seconds(), 0), UTC))
    return min(since, default=None)


def oldest_kept() -> datetime | None:
    if not is_installed():
        return None
    from mailqueue.ledger.looking import oldest  # a model, so not before the apps

    return oldest()
