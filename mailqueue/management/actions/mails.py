"""List mails: where each is, and why."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailqueue.ledger.wanted import Wanted
from mailqueue.management import given
from mailqueue.management.output import Row, ago, cell, code, print_json, print_table, until
from mailqueue.operating.listing import listing

HELP = "the mails that are kept, oldest first: where each is, and why it is not sent"
STATES = ("queued", "sending", "deferred", "sent", "dead", "cancelled")


def arguments(parser: CommandParser) -> None:
    parser.add_argument("ids", nargs="*", type=given.name, metavar="ID", help="only these mails")
    parser.add_argument("--mailer", type=given.name, metavar="ALIAS")
    parser.add_argument("--state", choices=STATES)
    parser.add_argument("--code", type=int, metavar="CODE", help="the reply code, as 550")
    parser.add_argument("--older-than", type=given.seconds, metavar="TIME", help="90, 10m, 2h, 3d")
    parser.add_argument(
        "--limit", type=given.limit, default=100, metavar="N", help="at most so many (100)"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")


def run(
    command: BaseCommand,
    *,
    ids: list[str] | None = None,
    mailer: str | None = None,
    state: str | None = None,
    code: int | None = None,
    older_than: float | None = None,
    limit: int = 100,
    as_json: bool = False,
    **options: Any,
) -> None:
    wanted = Wanted(ids=ids or None, mailer=mailer, state=state, code=code, older_than=older_than)
    found = list(listing(wanted, limit=limit))
    if as_json:
        print_json(command.stdout, found)
        return
    names = ["id", "mailer", "state", "queued", "next", "attempts", "code", "reason"]
    print_table(command.stdout, names, [shown(each) for each in found])
    if len(found) == limit:
        command.stderr.write(f"There may be more than these {limit}: --limit.")


def shown(each: Row) -> list[str]:
    ended = each["finished_at"]
    queued = each["queued_at"] or ended  # the broker's dead letters tell when they died
    state = each["state"] if each["kept"] == "database" else f"{each['state']} (broker)"
    following = each["due_at"] if each["state"] in ("queued", "deferred") else None
    return [
        cell(each["id"]),
        cell(each["mailer"]),
        state,
        ago(queued),
        until(following),
        cell(each["attempts"]),
        cell(code(each)),
        cell(each["reason"]),
    ]
