"""Erase what is kept about somebody."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.management.given import name
from mailqueue.management.selecting import ask
from mailqueue.operating.forget import forget

HELP = "erase what is kept about an address; mail that is still to be sent to it is left"
QUESTION = "Erase all that is kept about this address, and delete the dead letters to it?"


def arguments(parser: CommandParser) -> None:
    parser.add_argument("address", type=name, metavar="ADDRESS")
    parser.add_argument("--yes", action="store_true", help="do not ask, for scripts")


def run(command: BaseCommand, *, address: str, yes: bool = False, **options: Any) -> None:
    """Erase; exit with status 1 while mail waits to be sent to the address."""
    if "@" not in address:
        raise CommandError(f"Expected an address, got {address!r}.")
    if not yes:
        ask(QUESTION)
    forgotten = forget(address)
    command.stdout.write(
        f"{forgotten.erased} mails erased, {forgotten.deleted} dead letters deleted"
    )
    if forgotten.unread:
        command.stderr.write(
            f"{forgotten.unread} mails cannot be opened here, and stay: some may be to it."
        )
    if forgotten.waiting:
        raise CommandError(
            f"{forgotten.waiting} mails to it are still to be sent: cancel them, or run this again"
            " when they have an end."
        )
