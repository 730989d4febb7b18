"""`manage.py mailqueue`: what an operator does about the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandParser

from mailqueue.lanes import queue_mailers
from mailqueue.wire.attachments import purge

# A worker may hold a mail somewhat longer than its last attempt was allowed to start.
MARGIN = timedelta(days=1)


class Command(BaseCommand):
    """Run one of the subcommands."""

    help = "Look after the mail queue."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("purge", help="delete stored attachments that no mail can need any more")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, action)()

    def purge(self) -> None:
        """Delete stored contents older than any mail that could claim them."""
        oldest: dict[str, datetime] = {}
        for options in queue_mailers().values():
            if options.attachments is not None:
                needed = datetime.now(UTC) - timedelta(seconds=options.retry.max_age) - MARGIN
                earlier = oldest.get(options.attachments, needed)
                oldest[options.attachments] = min(needed, earlier)
        for alias, before in oldest.items():
            number = purge(storages[alias], before=before.date())
            self.stdout.write(f"{alias}: {number} attachments deleted")
