"""A web process that sends: ``python -m tests.chaos.eager``, told on standard input.

Each line is a mailer, a recipient and the hours that the mail shall wait; for each it prints what
`send_messages()` returned or raised, and the seconds that it took.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta

import django

from tests.chaos.app import app
from tests.chaos.mails import message


def main() -> None:
    django.setup()
    app.set_current()
    from mailqueue.mail import mailers
    from mailqueue.scheduling import queue_options

    for line in sys.stdin:
        alias, name, hours = json.loads(line)
        mail = message(name)
        if hours:
            queue_options(mail, send_at=datetime.now(UTC) + timedelta(hours=hours))
        start = time.monotonic()
        try:
            told: object = mailers[alias].send_messages([mail])
        except Exception as error:  # noqa: BLE001 (a test looks at it)
            told = f"{type(error).__name__}: {error}"
        print(json.dumps([told, time.monotonic() - start]))


if __name__ == "__main__":
    main()
