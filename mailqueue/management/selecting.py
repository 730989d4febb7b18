"""What actions on dead letters share: which are meant, the question before many, the count."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from mailqueue.errors import PublishError
from mailqueue.ledger.wanted import Wanted
from mailqueue.management.given import name, seconds
from mailqueue.management.working import counted
from mailqueue.operating.listing import number

FEW = 10  # dead letters that are not asked about


def arguments(parser: CommandParser) -> None:
    parser.add_argument("ids", nargs="*", type=name, metavar="ID", help="these dead letters")
    parser.add_argument("--mailer", type=name, metavar="ALIAS")
    parser.add_argument("--code", type=int, metavar="CODE", help="the reply code, as 550")
    parser.add_argument("--older-than", type=seconds, metavar="TIME", help="90, 10m, 2h, 3d")
    parser.add_argument("--all", action="store_true", dest="everything", help="all dead letters")
    parser.add_argument("--yes", action="store_true", help="do not ask, for scripts")


def wanted_of(
    *,
    ids: list[str] | None = None,
    mailer: str | None = None,
    code: int | None = None,
    older_than: float | None = None,
    everything: bool = False,
    **options: Any,
) -> Wanted | None:
    """Return which dead letters are meant; None if nothing was said."""
    if not (everything or ids or mailer or code is not None or older_than is not None):
        return None
    return Wanted(ids=ids or None, mailer=mailer, state="dead", code=code, older_than=older_than)


def confirm(wanted: Wanted, question: str, *, yes: bool) -> int | None:
    """Ask before something is done to more than a few; CommandError unless it is wanted.

    Returns how many there are, None if nobody counted.
    """
    if yes and not sys.stderr.isatty():
        return None
    many = number(wanted)
    if yes or many <= FEW:
        return many
    ask(question.format(many))
    return many


def ask(question: str) -> None:
    """Ask whether to go on; CommandError for any answer but yes, and where nobody can answer."""
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Say --yes where nobody can be asked.")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.")


def carry_out(
    command: BaseCommand,
    parts: Iterator[int],
    done: str,
    total: int | None,
    *,
    ids: Sequence[str] = (),
) -> None:
    """Do something to dead letters, part by part; say to how many, also if that ends early.

    CommandError where `ids` were named and it was done to none of them.
    """
    number = 0
    try:
        for some in counted(parts, total):
            number += some
    except (PublishError, Error) as error:
        why = error if isinstance(error, PublishError) else type(error).__name__
        raise CommandError(f"{number} {done}; the others stay where they are: {why}") from error
    except KeyboardInterrupt:
        raise CommandError(f"{number} {done}; interrupted: run it again.", returncode=130) from None
    if ids and not number:
        raise CommandError(f"0 {done}. 'manage.py mailqueue show ID' tells where a mail is.")
    command.stdout.write(f"{number} {done}")
