"""The main path of the demo: start everything, send, wait, show."""

import dataclasses
import math
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import django
from django.core.management import call_command
from rich.console import Console
from rich.progress import Progress

from mailqueue.demo import mails
from mailqueue.demo.answers import DROP
from mailqueue.demo.broker import embedded_broker, remove_queues
from mailqueue.demo.mailbox import Mailbox, dead_letters
from mailqueue.demo.report import Result, show
from mailqueue.demo.sink import Sink
from mailqueue.demo.trouble import forget_everything, kill_with_mail_in_hand
from mailqueue.demo.workers import workers

FOLDER = Path("build/mailqueue-demo")
LIMIT = 180.0  # seconds until the demo gives up
WORKERS = PROCESSES = 2  # workers, and processes of each

# A queue of its own: the broker may be one that other mail travels on.
QUEUE = f"mailqueue-demo-{uuid.uuid4().hex[:8]}"


def main() -> int:
    """Run the demo; return its exit status."""
    try:
        return 1 if demo().faults else 0
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted: broker, workers and SMTP server have been ended.")
        return 130


def demo() -> Result:
    shutil.rmtree(FOLDER, ignore_errors=True)
    console = Console()
    mailbox = Mailbox(FOLDER / "received")
    with ExitStack() as stack:
        stack.enter_context(one_interrupt())
        sink = stack.enter_context(Sink(keep=mailbox.keep))
        configure(stack.enter_context(broker()), sink.port)
        misbehave(sink)
        result = run(sink, mailbox, console)
    show(result, console, mailbox.folder)
    return result


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into `KeyboardInterrupt`; later ones only disturb it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)
    yield


@contextmanager
def broker() -> Iterator[str]:
    """Give the URL of the broker that the environment names, else of one of our own."""
    if url := os.environ.get("MAILQUEUE_BROKER_URL"):
        try:
            yield url
        finally:
            remove_queues(url, QUEUE, f"{QUEUE}.dead")
    else:
        with embedded_broker(FOLDER / "broker") as url:
            yield url


def configure(broker_url: str, smtp_port: int) -> None:
    """Set up Django from the environment, for this process and the workers."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="mailqueue.demo.settings",
        MAILQUEUE_BROKER_URL=broker_url,
        MAILQUEUE_DEMO_KEY=uuid.uuid4().hex,
        MAILQUEUE_DEMO_DATABASE=str((FOLDER / "ledger.sqlite3").resolve()),
        MAILQUEUE_DEMO_QUEUE=QUEUE,
        MAILQUEUE_DEMO_PORT=str(smtp_port),
    )
    django.setup()
    call_command("migrate", verbosity=0)


def misbehave(sink: Sink) -> None:
    sink.answer("RCPT", "451 4.7.1 Greylisted, come back later", to=mails.GREYLISTED)
    sink.answer("RCPT", "550 5.1.1 No such user here", to=mails.REFUSED, times=math.inf)
    sink.answer("DATA", DROP, to=mails.DISCONNECTED)


def run(sink: Sink, mailbox: Mailbox, console: Console) -> Result:
    """Send, make trouble, wait until every recipient has the mail or a dead letter."""
    with workers(WORKERS, PROCESSES, FOLDER) as running:
        sent = mails.send_all()
        end = time.monotonic() + LIMIT
        troubled = False
        with Progress(console=console) as progress:
            bar = progress.add_task("mails arrive", total=len(sent.recipients))
            while True:
                result = Result(
                    sent=sent,
                    copies=sink.copies(),
                    attempts=sink.attempts,
                    dead=dead_letters(),
                    seconds=mailbox.seconds,
                )
                progress.update(bar, completed=result.settled)
                if result.settled == len(sent.recipients) or time.monotonic() > end:
                    break
                if not troubled and 3 * result.settled > len(sent.recipients):
                    make_trouble(sink, running[0], console)
                    troubled = True
                time.sleep(0.2)
    # The workers have ended, so what has not come twice by now never will.
    return dataclasses.replace(result, copies=sink.copies(), dead=dead_letters())


def make_trouble(sink: Sink, victim: "subprocess.Popen[bytes]", console: Console) -> None:
    """Kill a worker in the middle of the list, and let the broker forget all that it has."""
    if kill_with_mail_in_hand(sink, victim, WORKERS * PROCESSES):
        console.print(f"[yellow]Killed a worker with {PROCESSES} mails in hand.[/yellow]")
    url = os.environ["MAILQUEUE_BROKER_URL"]
    if url.startswith("redis+socket://"):  # one of our own
        forget_everything(url)
        console.print("[yellow]Deleted all that the broker had.[/yellow]")
