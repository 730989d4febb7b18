"""Queue dead letters anew."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailqueue.management import selecting
from mailqueue.operating.requeue import left_behind, requeue

HELP = "queue dead letters anew; without options those that no worker could open and this one can"


def arguments(parser: CommandParser) -> None:
    selecting.arguments(parser)


def run(command: BaseCommand, *, ids: list[str], yes: bool = False, **options: Any) -> None:
    wanted = selecting.wanted_of(ids=ids, **options)
    total = None
    if wanted is not None:
        total = selecting.confirm(wanted, "Queue {} dead letters anew?", yes=yes)
    if wanted is not None and (mailers := left_behind(wanted)):
        command.stderr.write(
            f"Those of {', '.join(mailers)} stay: MAILERS has no such queue mailer any more."
        )
    selecting.carry_out(command, requeue(wanted), "dead letters queued anew", total, ids=ids)
