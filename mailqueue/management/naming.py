"""What actions on mailers share: which are meant, and what became of each."""

from collections.abc import Callable, Sequence

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.lanes import lanes


def arguments(parser: CommandParser) -> None:
    parser.add_argument("mailers", nargs="+", metavar="MAILER", help="a queue mailer's alias")


def carry_out(
    command: BaseCommand,
    mailers: Sequence[str],
    action: Callable[[str], bool],
    *,
    done: str,
    not_done: str,
) -> None:
    """Do something to each mailer and say so; CommandError, before anything is done, for others.

    `action` tells whether there was something to do.
    """
    known = lanes()
    if unknown := [alias for alias in mailers if alias not in known]:
        raise CommandError(
            f"No queue mailer in MAILERS: {', '.join(unknown)}."
            f" Expected of {', '.join(sorted(known)) or 'none, as there is none'}."
        )
    for alias in mailers:
        changed = action(alias)
        command.stdout.write(f"{alias}: {done if changed else not_done}")
