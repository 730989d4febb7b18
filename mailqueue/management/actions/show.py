"""Show the whole story of a mail."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import is_aware, localtime

from mailqueue.management import given
from mailqueue.management.output import (
    Row,
    ago,
    cell,
    code,
    print_json,
    print_pairs,
    print_table,
    until,
)
from mailqueue.operating.story import stories

HELP = "the whole story of a mail, by its id, its Message-ID or a recipient"


def arguments(parser: CommandParser) -> None:
    parser.add_argument("name", type=given.name, metavar="ID|Message-ID|ADDRESS")
    parser.add_argument(
        "--limit", type=given.limit, default=10, metavar="N", help="at most so many (10)"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")


def run(
    command: BaseCommand, *, name: str, limit: int = 10, as_json: bool = False, **options: Any
) -> None:
    """Print the mails of that name, the newest first; exit with status 1 if there is none."""
    found = list(stories(name, limit=limit))
    if as_json:
        print_json(command.stdout, found)
    for each in () if as_json else found:
        print_pairs(command.stdout, [*pairs(each)])
        if each["history"]:
            names = ["when", "outcome", "stage", "code", "recipients", "queue id", "reason"]
            print_table(command.stdout, names, [attempt(one) for one in each["history"]])
        command.stdout.write("")
    if not found:
        raise CommandError("No mail is known by that name.")
    if len(found) == limit:
        command.stderr.write(f"There may be more than these {limit}: --limit.")


def pairs(each: Row) -> Iterator[tuple[str, str]]:
    yield "id", cell(each["id"])
    if each["origin"] not in ("", each["id"]):
        yield "part of", cell(each["origin"])
    yield "Message-ID", cell(each["message_id"])
    yield "mailer", cell(each["mailer"])
    yield "state", f"{each['state']}{'' if each['kept'] == 'database' else ' (broker)'}"
    yield "queued", moment(each["queued_at"])
    if each["finished_at"]:
        yield "ended", moment(each["finished_at"])
    if each["state"] in ("queued", "deferred"):
        yield "next attempt", until(each["due_at"])
    yield "subject", cell(each["subject"])
    yield "recipients", cell(", ".join(each["recipients"] or ()))
    yield "attempts", cell(each["attempts"])
    if each["reason"]:
        yield "reason", f"{code(each)} {each['reason']}".strip()


def attempt(one: Row) -> list[str]:
    said = [one["kind"], one["stage"], code(one), one["recipients"], one["queue_id"], one["reason"]]
    return [written(one["at"]), *map(cell, said)]


def moment(at: datetime | None) -> str:
    return "-" if at is None else f"{written(at)} ({ago(at)})"


def written(at: datetime) -> str:
    """Return a time as the log has it, in TIME_ZONE."""
    return f"{localtime(at) if is_aware(at) else at:%Y-%m-%d %H:%M:%S}"
