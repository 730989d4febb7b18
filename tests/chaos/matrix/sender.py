"""A web process: sends mails at an even pace, and notes on disk what it was told of each.

python -m tests.chaos.matrix.sender FILE FIRST END SECONDS
"""

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.db import close_old_connections, transaction

from tests.chaos.matrix.mails import calls, message

AFTER_ERROR = 0.2  # seconds before the next call


class RolledBackError(Exception):
    """The project's own reason to roll back."""


def main(file: str, first: str, end: str, seconds: str) -> None:
    django.setup()
    numbers = range(int(first), int(end))
    pace, begin = float(seconds) / len(numbers), time.monotonic()
    ledger = "mailqueue.ledger" in settings.INSTALLED_APPS
    with Path(file).open("a") as log:

        def note(**facts: Any) -> None:
            log.write(json.dumps(facts) + "\n")
            log.flush()
            os.fsync(log.fileno())

        for turn, some in enumerate(calls(numbers)):
            time.sleep(max(0.0, begin + (some[0] - numbers[0]) * pace - time.monotonic()))
            note(numbers=some, told="nothing")
            started = time.monotonic()
            told, counted = send(some, turn if ledger else 0)
            took = time.monotonic() - started
            if counted:
                note(numbers=some[:counted], told="accepted", seconds=took)
            if some[counted:]:
                note(numbers=some[counted:], told=told, seconds=took)
                time.sleep(AFTER_ERROR)
            close_old_connections()  # as after a request


def send(numbers: list[int], turn: int) -> tuple[str, int]:
    """Send mails in one call; return what the caller is told, and how many are accepted.

    Some calls are in a transaction, some of these are rolled back.
    """
    try:
        with transaction.atomic() if turn % 4 == 1 or turn % 9 == 4 else nullcontext():
            count = mailer().send_messages([message(each) for each in numbers])
            if turn % 9 == 4:
                raise RolledBackError
    except RolledBackError:
        return "rolled back", 0
    except Exception as error:  # noqa: BLE001 (whatever it is, the caller knows it)
        return type(error).__name__, getattr(error, "queued", 0)
    return "not counted", count if isinstance(count, int) else len(numbers)


def mailer() -> Any:
    if hasattr(mail, "mailers") and hasattr(settings, "MAILERS"):
        return mail.mailers["default"]
    return mail.get_connection()


if __name__ == "__main__":
    main(*sys.argv[1:])
