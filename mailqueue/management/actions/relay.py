"""Ring for what the ledger has due."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue import relay
from mailqueue.ledger.selection import APP, is_installed

HELP = "ring for the mail that the ledger has due, as every worker does, too"


def arguments(parser: CommandParser) -> None:
    parser.add_argument("--once", action="store_true", help="ring for what is due now, and end")


def run(command: BaseCommand, *, once: bool, **options: Any) -> None:
    """Ring for ever, unless `once`; an error of the database ends it."""
    if not is_installed():
        raise CommandError(f"The relay needs {APP!r} in INSTALLED_APPS.")
    while True:
        if rung := relay.relay():
            command.stdout.write(f"mail is due on {', '.join(rung)}")
        relay.purge()
        if once:
            return
        time.sleep(relay.INTERVAL)
