"""`manage.py mailqueue`: what an operator does about the queue."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from mailqueue.errors import PublishError
from mailqueue.management.actions import ACTIONS


class Command(BaseCommand):
    """Run one of the actions."""

    help = "Look after the mail queue."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, action in ACTIONS.items():
            action.arguments(actions.add_parser(name, help=action.HELP))

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            ACTIONS[action].run(self, **options)
            self.stdout.flush()
        except BrokenPipeError:  # as of `| head`; what is left at the exit has to go somewhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except PublishError as error:
            raise CommandError(str(error), returncode=2) from None
        except Error as error:  # whose text may hold what was asked for
            raise CommandError(
                f"The database of the ledger cannot be asked: {type(error).__name__}."
                " 'manage.py mailqueue doctor' says more.",
                returncode=2,
            ) from error
