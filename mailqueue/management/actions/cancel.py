"""Cancel mails that no target has been handed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.control import cancel
from mailqueue.ledger.selection import APP, is_installed
from mailqueue.management.given import name

HELP = "cancel mails that are kept and that no target has been handed"


def arguments(parser: CommandParser) -> None:
    parser.add_argument("ids", nargs="+", type=name, metavar="ID")


def run(command: BaseCommand, *, ids: list[str], **options: Any) -> None:
    """Cancel each; exit with status 1 if it was too late for one."""
    if not is_installed():
        raise CommandError(f"Only mail that the ledger keeps can be cancelled: {APP!r}.")
    late = []
    for each in ids:
        if cancel(each):
            command.stdout.write(f"{each}: cancelled")
        else:
            late.append(each)
    if late:
        raise CommandError(f"Too late, or not known: {', '.join(late)}")
