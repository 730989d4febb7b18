"""What sends mail as one system; run as a script in the system's environment, for `running.py`.

It reads requests, a JSON object a line: {"do": name of a function below, ...its arguments}; and
answers each with an object.
"""

import json
import os
import random
import smtplib
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.utils.safestring import mark_safe

SENDER = "Shop <shop@example.test>"
LINE = "A line of text, about as long as the lines of a letter are.\n"
ROW = "<tr><td>A thing that was bought</td><td>1</td><td>9.99</td></tr>\n"
MEGABYTE = random.Random(7).randbytes(2**20)


def message(kind: str, number: int) -> EmailMultiAlternatives:
    """Make a message: "2 KB text", "2 KB text+HTML", "50 KB HTML" or "1 MB attachment".

    Its texts are what templates return, as those of most mails are.
    """
    text = mark_safe(LINE * {"2 KB text": 33, "2 KB text+HTML": 16}.get(kind, 5))
    subject, to = f"Your order {number} has been shipped", [f"jo{number}@example.test"]
    made = EmailMultiAlternatives(subject, text, SENDER, to)
    if kind == "1 MB attachment":
        made.attach("invoice.pdf", MEGABYTE, "application/pdf")
    elif kind != "2 KB text":
        rows = ROW * {"2 KB text+HTML": 15, "50 KB HTML": 780}[kind]
        made.attach_alternative(mark_safe(f"<table>\n{rows}</table>\n"), "text/html")
    return made


def connection() -> Any:
    if hasattr(mail, "mailers") and hasattr(settings, "MAILERS"):
        return mail.mailers["default"]
    return mail.get_connection()


def one_by_one(kind: str, number: int) -> dict[str, Any]:
    """Call `send_mail()` this often."""
    texts = [message(kind, each) for each in range(number)]
    began, seconds = time.monotonic(), []
    for each in texts:
        html = str(each.alternatives[0][0]) if each.alternatives else None
        start = time.perf_counter()
        mail.send_mail(each.subject, each.body, SENDER, each.to, html_message=html)
        seconds.append(time.perf_counter() - start)
    return {"began": began, "seconds": seconds}


def as_list(kind: str, number: int) -> dict[str, Any]:
    """Call `send_messages()` once."""
    messages = [message(kind, each) for each in range(number)]
    mailer = connection()
    began = time.monotonic()
    mailer.send_messages(messages)
    return {"began": began, "seconds": [time.monotonic() - began]}


def command(name: str, **options: Any) -> dict[str, Any]:
    """Run a management command."""
    call_command(name, **options)
    return {}


def render(kind: str, number: int, by: str) -> dict[str, Any]:
    """Render mail with the headers that it has in a worker, as Django's backend does or as ours."""
    from email.policy import SMTP

    from mailqueue.smtp.rendering import render as ours

    messages = [message(kind, each) for each in range(number)]
    for count, each in enumerate(messages):
        date = f"Mon, 02 Jan 2006 15:04:{count % 60:02} -0000"
        each.extra_headers = {"Date": date, "Message-ID": f"<{count}.1@shop.example.test>"}
    start = time.perf_counter()
    for each in messages:
        if by == "Django":
            each.message(policy=SMTP).as_bytes()
        else:
            ours(each)
    return {"seconds": [time.perf_counter() - start]}


def smtplib_loop(kind: str, number: int, port: int) -> dict[str, Any]:
    """Send bytes that are ready over one connection, with smtplib alone."""
    content = message(kind, 0).message().as_bytes().replace(b"\n", b"\r\n")
    with smtplib.SMTP("127.0.0.1", port) as client:
        start = time.perf_counter()
        for each in range(number):
            client.sendmail("shop@example.test", [f"jo{each}@example.test"], content)
        return {"seconds": [time.perf_counter() - start]}


def ledger_steps(number: int) -> dict[str, Any]:
    """Record, claim and finish ten mails, and count all, so often; the seconds of each, medians."""
    from django.db import transaction

    from mailqueue.lanes import lane_of
    from mailqueue.ledger.removing import remove
    from mailqueue.operating.overview import kept
    from mailqueue.outcome import Kind, Outcome, Stage
    from mailqueue.outcome.settlement import Settlement

    taken = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
    lane, mailer = lane_of("default"), connection()
    ledger = lane.kept()
    took: dict[str, list[float]] = {}

    def timed(step: str, do: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        with transaction.atomic():
            done = do()
        took.setdefault(step, []).append(time.perf_counter() - start)
        return done

    for _ in range(number):
        messages = [message("2 KB text+HTML", each) for each in range(10)]
        timed("record", partial(mailer.send_messages, messages))
        claims = timed("claim", partial(ledger.claim, limit=10))
        assert len(claims) == 10
        results = []
        for claim in claims:
            told = {claim.envelope.message["to"][0]: taken}
            made = Settlement(envelope=claim.envelope, outcomes=told, again=None, dead=())
            results.append((claim, made))
        timed("finish", partial(ledger.finish, results))
        timed("status", partial(kept, lane))
        remove([claim.envelope.id for claim in claims])
    return {step: median(each) for step, each in took.items()}


def forget() -> dict[str, Any]:
    """Delete the mails that are kept in tables."""
    from django.apps import apps

    for label in ("mailqueue_ledger", "mailer", "post_office"):
        if label in apps.app_configs:
            for model in apps.get_app_config(label).get_models():
                model._default_manager.all().delete()
    return {}


DO = {
    each.__name__: each
    for each in (one_by_one, as_list, command, render, smtplib_loop, ledger_steps, forget)
}  # fmt: skip


def main() -> None:
    # What a command prints is no answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        django.setup()
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(DO[request.pop("do")](**request)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
