"""Resume mailers that are paused."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailqueue.control import resume
from mailqueue.management import naming

HELP = "let the mail of paused mailers go"


def arguments(parser: CommandParser) -> None:
    naming.arguments(parser)


def run(command: BaseCommand, *, mailers: list[str], **options: Any) -> None:
    naming.carry_out(command, mailers, resume, done="resumed", not_done="is not paused")
