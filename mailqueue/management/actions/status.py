"""Say what is queued for each mailer, and how old the oldest of it is."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.management.given import seconds
from mailqueue.management.output import ago, cell, duration, print_json, print_table
from mailqueue.operating.overview import Overview, overviews

HELP = "what is queued, how old the oldest is, what died; for monitoring, too"
COUNTED = ("queued", "sending", "deferred", "scheduled", "dead", "sent", "tasks")


def arguments(parser: CommandParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")
    parser.add_argument(
        "--max-age",
        type=seconds,
        metavar="TIME",
        help="exit with status 1 if the oldest mail of any mailer is older: 600, 10m, 2h",
    )
    parser.add_argument(
        "--max-dead", type=number, metavar="N", help="exit with status 1 if more letters are dead"
    )


def number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def run(
    command: BaseCommand,
    *,
    as_json: bool = False,
    max_age: float | None = None,
    max_dead: int | None = None,
    **options: Any,
) -> None:
    found = overviews()
    if as_json:
        print_json(command.stdout, [each.as_data() for each in found])
    else:
        names = ["mailer", "kept by", *COUNTED[:-2], "sent/h", "tasks", "oldest", "paused"]
        print_table(command.stdout, names, [shown(each) for each in found])
    if alarms := [text for each in found for text in wrong(each, max_age, max_dead)]:
        raise CommandError("\n".join(alarms), returncode=1)


def shown(each: Overview) -> list[str]:
    counted = [cell(getattr(each, name)) for name in COUNTED]
    return [each.mailer, each.kept, *counted, duration(each.oldest), ago(each.paused)]


def wrong(each: Overview, max_age: float | None, max_dead: int | None) -> list[str]:
    """Return what is above a limit, one line each."""
    found = []
    if max_age is not None and (each.oldest or 0.0) > max_age:
        found.append(f"{each.mailer}: the oldest mail waits for {duration(each.oldest)}")
    if max_dead is not None and (each.dead or 0) > max_dead:
        found.append(f"{each.mailer}: {each.dead} dead letters")
    return found
