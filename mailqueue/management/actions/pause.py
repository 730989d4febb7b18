"""Pause mailers: their mail waits."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailqueue.control import pause
from mailqueue.management import naming

HELP = "hand nothing of these mailers to their targets until they are resumed; their mail waits"


def arguments(parser: CommandParser) -> None:
    naming.arguments(parser)


def run(command: BaseCommand, *, mailers: list[str], **options: Any) -> None:
    naming.carry_out(command, mailers, pause, done="paused", not_done="is paused already")
