"""Delete dead letters for good."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.management import selecting
from mailqueue.operating.discard import discard

HELP = "delete dead letters for good"


def arguments(parser: CommandParser) -> None:
    selecting.arguments(parser)


def run(command: BaseCommand, *, ids: list[str], yes: bool = False, **options: Any) -> None:
    wanted = selecting.wanted_of(ids=ids, **options)
    if wanted is None:
        raise CommandError("Say which: ids, --mailer, --code, --older-than, or --all.")
    total = selecting.confirm(wanted, "Delete {} dead letters for good?", yes=yes)
    selecting.carry_out(command, discard(wanted), "dead letters deleted", total, ids=ids)
