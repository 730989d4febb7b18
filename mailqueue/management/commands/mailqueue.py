"""`manage.py mailqueue`: what an operator does about the queue."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue import relay, requeue
from mailqueue.broker.dead import peek
from mailqueue.broker.publish import publisher
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.selection import APP, is_installed
from mailqueue.wire.attachments import purge

# A worker may hold a mail somewhat longer than its last attempt was allowed to start.
MARGIN = timedelta(days=1)


class Command(BaseCommand):
    """Run one of the subcommands."""

    help = "Look after the mail queue."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("purge", help="delete stored attachments that no mail can need any more")
        relaying = actions.add_parser(
            "relay", help="ring for the mail that the ledger has due, as every worker does, too"
        )
        relaying.add_argument(
            "--once", action="store_true", help="ring for what is due now, and end"
        )

        again = actions.add_parser(
            "requeue", help="queue dead letters anew that no worker could open and this process can"
        )
        again.add_argument(
            "--all", action="store_true", dest="everything", help="all dead letters, as never tried"
        )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        match action:
            case "relay":
                self.relay(once=options["once"])
            case "requeue":
                self.requeue(everything=options["everything"])
            case "purge":
                self.purge()

    def requeue(self, *, everything: bool) -> None:
        """Queue dead letters anew."""
        try:
            number = requeue.requeue(everything=everything)
        except PublishError as error:
            raise CommandError(f"Some dead letters stay where they are: {error}") from None
        self.stdout.write(f"{number} dead letters queued anew")

    def relay(self, *, once: bool) -> None:
        """Ring for what is due, for ever unless `once`; an error of the database ends it."""
        if not is_installed():
            raise CommandError(f"The relay needs {APP!r} in INSTALLED_APPS.")
        while True:
            if rung := relay.relay():
                self.stdout.write(f"mail is due on {', '.join(rung)}")
            relay.purge()
            if once:
                return
            time.sleep(relay.INTERVAL)

    def purge(self) -> None:
        """Delete stored contents older than any mail that could claim them."""
        oldest: dict[str, datetime] = {}
        for lane in lanes().values():
            options = lane.options
            if options.attachments is not None:
                needed = datetime.now(UTC) - timedelta(seconds=options.retry.max_age) - MARGIN
                try:
                    needed = min(needed, needed_since(lane) or needed)
                except PublishError as error:
                    raise CommandError(f"Dead letters cannot be looked at: {error}") from None
                earlier = oldest.get(options.attachments, needed)
                oldest[options.attachments] = min(needed, earlier)
        for alias, before in oldest.items():
            number = purge(storages[alias], before=before.date())
            self.stdout.write(f"{alias}: {number} attachments deleted")


def needed_since(lane: Lane) -> datetime | None:
    """Return when the oldest content was stored that a mail which is kept for long may need.

    That is a dead letter or, with the ledger, one with a `send_at`.
    """
    found = lane.kept().oldest() if is_installed() else None
    since = [found - MARGIN] if found else []
    # Accepted at most this long before it died: `send_at` may be as far away as `max_age`.
    life = timedelta(seconds=2 * lane.options.retry.max_age) + MARGIN
    for letter in peek(publisher(), queue=lane.options.queue, limit=None):
        since.append(datetime.fromtimestamp(max(letter.died_at - life.total_seconds(), 0), UTC))
    return min(since, default=None)
