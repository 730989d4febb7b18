"""Mails a second over one connection: smtplib, Django's backend and ours, by turns.

The messages are ready, so that rendering does not count, but for the last table. The figures say
what the machine does just now; the ratios say more.
"""

import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends import smtp as django_smtp

from mailqueue.backends.smtp import EmailBackend
from mailqueue.outcome.outcome import Kind

ROUNDS = 5
SECONDS = 0.4  # of one measurement
NOTHING: tuple[str, ...] = ("8BITMIME",)
PIPELINING = (*NOTHING, "PIPELINING")
CHUNKING = (*PIPELINING, "CHUNKING")

Send = Callable[[int], None]


class Ready:
    """What message() returns for a message that was rendered before."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def as_bytes(self, **options: Any) -> bytes:
        return self.content


class ReadyMessage(EmailMessage):
    ready: Ready

    def message(self, **options: Any) -> Any:
        return self.ready


CONTENT = b"Subject: hello\r\n\r\n" + b"A line of text, as long as such lines are.\r\n" * 45
MESSAGE = ReadyMessage("hello", "", "me@example.test", ["jo@example.test"])
MESSAGE.ready = Ready(CONTENT)


@contextmanager
def sink(milliseconds: float, extensions: tuple[str, ...]) -> Iterator[int]:
    script = Path(__file__).with_name("smtp_sink.py")
    command = [sys.executable, str(script), str(milliseconds), *extensions]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def plain(port: int) -> Iterator[Send]:
    with smtplib.SMTP("127.0.0.1", port) as client:

        def send(number: int) -> None:
            for _ in range(number):
                client.sendmail("me@example.test", ["jo@example.test"], CONTENT)

        yield send


@contextmanager
def djangos(port: int, message: EmailMessage = MESSAGE) -> Iterator[Send]:
    options: Any = {"alias": "bench"} if django.VERSION >= (6, 1) else {}
    with django_smtp.EmailBackend(host="127.0.0.1", port=port, **options) as backend:
        yield lambda number: check(backend.send_messages([message] * number) == number)


@contextmanager
def ours(port: int, window: int = 10, message: EmailMessage = MESSAGE) -> Iterator[Send]:
    with EmailBackend(
        alias="bench", host="127.0.0.1", port=port, pipeline_window=window, max_messages=10**9
    ) as backend:

        def send(number: int) -> None:
            outcomes = backend.deliver([message] * number)
            check(all(each.kind is Kind.SENT for one in outcomes for each in one.values()))

        yield send


def check(good: bool) -> None:
    assert good


def measure(senders: dict[str, Send]) -> dict[str, float]:
    """Take turns; return mails a second, the median of the rounds."""
    numbers = {name: enough(send) for name, send in senders.items()}
    rates: dict[str, list[float]] = {name: [] for name in senders}
    for _ in range(ROUNDS):
        for name, send in senders.items():
            rates[name].append(numbers[name] / elapsed(send, numbers[name]))
    return {name: median(each) for name, each in rates.items()}


def enough(send: Send) -> int:
    """Find how many mails one measurement needs."""
    number = 4
    while (took := elapsed(send, number)) < SECONDS / 4 and number < 20_000:
        number *= 4
    return max(4, int(number * SECONDS / took))


def elapsed(send: Send, number: int) -> float:
    began = time.perf_counter()
    send(number)
    return time.perf_counter() - began


def show(title: str, rates: dict[str, float]) -> None:
    base = rates["smtplib"]
    print(f"\n{title}")
    for name, rate in rates.items():
        print(f"  {name:<24} {rate:>10,.0f} mails/s {rate / base:>8.2f} x smtplib")


@pytest.mark.parametrize("milliseconds", [0, 5, 20])
@pytest.mark.parametrize(
    ("offered", "windows"),
    [(NOTHING, [10]), (PIPELINING, [10]), (CHUNKING, [10, 50])],
    ids=["nothing", "pipelining", "chunking"],
)
def test_ready_mails(offered: tuple[str, ...], windows: list[int], milliseconds: float) -> None:
    with (
        sink(milliseconds, offered) as port,
        plain(port) as by_smtplib,
        djangos(port) as by_django,
    ):
        senders = {"smtplib": by_smtplib, "Django's backend": by_django}
        clients = [ours(port, window) for window in windows]
        for window, client in zip(windows, clients, strict=True):
            name = f"ours, window {window}" if offered is CHUNKING else "ours"
            senders[name] = client.__enter__()
        show(f"{offered[-1]}, {milliseconds} ms round trip", measure(senders))
        for client in clients:
            client.__exit__(None, None, None)


def test_with_rendering() -> None:
    message = EmailMultiAlternatives(
        "Your order has been shipped", "A line of text.\n" * 60, "Shop <shop@example.test>",
        ["Jo Doe <jo@example.test>"], reply_to=["help@example.test"],
    )  # fmt: skip
    message.attach_alternative("<p>A line of text.</p>\n" * 40, "text/html")
    with (
        sink(0, CHUNKING) as port,
        plain(port) as by_smtplib,
        djangos(port, message) as by_django,
        ours(port, 50, message) as by_us,
    ):
        rates = measure({"smtplib": by_smtplib, "Django's backend": by_django, "ours": by_us})
    show("rendered each time (smtplib: ready), 0 ms round trip", rates)
