"""A project with Sentry, its web process and its worker; what Sentry would get lies in a file.

``python -m tests.worker.reported`` is the web process: it sends what fails, and reports it. No
function of its own holds a canary. `app` is the worker's.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

from mailqueue.backends.base import BaseEmailBackend
from tests import canaries

GIVEN = json.loads(os.environ["REPORTED"])

SECRET_KEY = GIVEN.get("secret_key", canaries.SIGNING_KEY)
USE_TZ = True
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
CELERY_BROKER_URL = GIVEN["broker_url"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/db.sqlite3"}}
ADMINS = [canaries.RECIPIENT]
LOGGING_CONFIG = None  # Django would mail them its own errors, by functions of its own
SMTP = {"host": "127.0.0.1", "port": GIVEN["port"], "timeout": 10, "username": "user"}


def oauth_token() -> str:
    return canaries.OAUTH_TOKEN


def queueing(using: str, **options: Any) -> dict[str, Any]:
    options = {"using": using, "queue": GIVEN["queue"], "ledger": None} | options
    return {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}


def delivering(**options: Any) -> dict[str, Any]:
    return {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": SMTP | options}


MAILERS = {
    "default": queueing("smtp", extra_attributes=["metadata"]),
    "defect": queueing("smtp"),
    "wrong": queueing("reports-wrongly"),
    "password": queueing("with-password"),
    "token": queueing("with-token"),
    "kept": queueing("smtp", ledger=GIVEN["ledger"]),
    "smtp": delivering(username=None),
    "with-password": delivering(password=canaries.PASSWORD),
    "with-token": delivering(oauth_token=oauth_token),
    "reports-wrongly": {"BACKEND": f"{__name__}.ReportsWrongly"},
}
if GIVEN["stranger"]:
    MAILERS["stranger"] = queueing("smtp")


class ReportsWrongly(BaseEmailBackend):
    """Complains in the log, which takes the stack along, and tells of nobody."""

    reports_outcomes = True

    def deliver(self, messages: Any) -> Any:
        logging.getLogger("project").error("The API is slow.")
        return [{} for _ in messages]


class Lines(Transport):
    """Writes what Sentry would get into a file, an item a line."""

    def capture_envelope(self, envelope: Any) -> None:
        with open(GIVEN["file"], "a") as file:
            for item in envelope.items:
                if item.payload.json is not None:
                    file.write(json.dumps(item.payload.json, default=repr) + "\n")


def broken(settlement: Any, dead: Any) -> None:
    """Stand for a defect of ours in the middle of a batch."""
    if settlement.envelope.mailer == "defect":
        raise ValueError(repr(settlement.outcomes))


sentry_sdk.init(
    "http://key@127.0.0.1/1",
    transport=Lines,
    integrations=[DjangoIntegration(), CeleryIntegration()],
    attach_stacktrace=GIVEN["attach_stacktrace"],
    traces_sample_rate=1.0,
    send_default_pii=False,
)


def report(name: str, fails: Callable[[], object]) -> None:
    """Report what an action raises, as an integration for a web framework would."""
    with sentry_sdk.start_transaction(name=name):
        try:
            fails()
        except Exception as error:  # noqa: BLE001
            sentry_sdk.capture_exception()
            print(name, type(error).__name__)


def queue_what_fails_later() -> None:
    """Queue mail for each mailer of the worker."""
    for alias in ("default", "wrong", "password", "token", "kept", "stranger"):
        canaries.message().send(using=alias)
    from mailqueue.lanes import lane_of
    from mailqueue.mail import mailers

    lane_of("kept").ring()
    mailers["defect"].send_messages([canaries.message(), canaries.message()])


def send_what_fails() -> None:
    """Fail in each way that a web process can."""
    from django.db import transaction

    from mailqueue import mail
    from mailqueue.mail import mailers

    def later() -> None:
        # No database is there to commit; its hooks run as they do then.
        connection = transaction.get_connection()
        connection.in_atomic_block = True
        canaries.message().send()
        connection.in_atomic_block = False
        connection.run_and_clear_commit_hooks()

    report("publish", canaries.message().send)
    report("send_mail", lambda: mail.send_mail(*canaries.arguments(), html_message=canaries.BODY))
    report("send_mass_mail", lambda: mail.send_mass_mail([canaries.arguments()]))
    report("mail_admins", lambda: mail.mail_admins(canaries.SUBJECT, canaries.BODY))
    report("encode", canaries.message_that_cannot_be_carried().send)
    report("header", canaries.message_of_two_lines().send)
    report("ledger", lambda: canaries.message().send(using="kept"))
    report("password", lambda: mailers["with-password"].open())
    report("token", lambda: mailers["with-token"].open())
    for alias in ("with-password", "with-token"):
        for number in (1, 2):
            messages = [canaries.message() for _ in range(number)]
            report(f"{alias} {number}", lambda: mailers[alias].send_messages(messages))  # noqa: B023
    report("commit", later)


def main() -> None:
    import django

    django.setup()
    queue_what_fails_later() if sys.argv[1] == "queue" else send_what_fails()
    sentry_sdk.flush()


if __name__ == "__main__":
    sys.modules["tests.worker.reported"] = sys.modules["__main__"]
    main()
