"""A process that dies by kill -9, where it is told: ``python -m tests.ledger.dies at-commit``.

- ``at-commit``: sends a mail in a transaction; dies after the commit, before it rings.
- ``before-mark``: does the tasks named on its standard input; dies after the first window was
  sent, before the ledger knows.
- ``before-send``: dies after the claim, before a target was asked.
- ``never``: does the tasks and ends.
"""

import os
import signal
import sys
from typing import Any

import django


def die(*args: Any, **kwargs: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def main(where: str) -> None:
    django.setup()
    from django.db import transaction

    from mailqueue.delivery import work
    from mailqueue.lanes import Lane
    from mailqueue.ledger.database import DatabaseLedger
    from mailqueue.mail import send_mail
    from tests.project_app import run_task

    if where == "at-commit":
        Lane.ring_soon = die
        with transaction.atomic():
            send_mail("Hello", "body", "from@example.test", ["a@example.test"])
        return
    if where == "before-mark":
        DatabaseLedger.finish = die
    elif where == "before-send":
        work.deliver = die
    for argument in sys.stdin:
        run_task(argument.strip())


if __name__ == "__main__":
    main(sys.argv[1])
