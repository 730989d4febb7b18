"""The project of a cell: settings for who sends and for who works, and their processes."""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from tests.benchmarks.systems import Place
from tests.chaos.matrix.beside import repeatedly
from tests.chaos.matrix.systems import System, settings_of
from tests.procnodes import Process
from tests.waiting import until

ROOT = Path(__file__).parents[3]
SHOP = """
from pathlib import Path

from celery import Celery

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(name="shop.ping")
def ping(path: str) -> None:
    Path(path).touch()
"""
# A mailer pauses for half a minute, which is long beside a fault of seconds.
SHORT_PAUSES = """
from mailqueue.delivery import breaker

breaker.SHORTEST = 2.0
"""
# A worker tells the relay who it is.
OWN_NAME = """
import os

MAILERS["smtp"]["OPTIONS"]["username"] = os.environ["MATRIX_PROCESS"]
"""
CLOCK = Path(__file__).parent / "clock"


FELL = re.compile(r"Unrecoverable error: (.*)")
# It gives back what a worker has when the connection breaks, and Redis is not there any more.
KOMBUS = """AttributeError("'NoneType' object has no attribute 'hostname'")"""


class Project:
    """A project in a folder: `sender` and `worker` are where each of them reaches everything."""

    def __init__(self, system: System, sender: Place, worker: Place, visible_again: float) -> None:
        self.system, self.folder, self.queue = system, worker.folder, worker.queue
        self.python = str(system.python())
        package = self.folder / "shop"
        package.mkdir()
        (package / "__init__.py").write_text(SHOP + (SHORT_PAUSES if system.ours else ""))
        for name, place in (("sender", sender), ("worker", worker)):
            settings = settings_of(system, place, visible_again)
            lines = [f"{key} = {value!r}\n" for key, value in settings.items()]
            more = OWN_NAME if system.ours else ""
            (package / f"{name}.py").write_text("".join(lines) + more)
        self.told = self.folder / "told"
        self.told.touch()
        self.workers: list[Process] = []
        self.started: Counter[str] = Counter()  # where the log of the last start begins
        self.lock, self.dismissed = Lock(), False
        self.senders: list[Process] = []

    @property
    def own_queue(self) -> str:
        """The queue of the project's other tasks."""
        return f"own-{self.queue}"

    def start(self, name: str, role: str, *words: str, clock: float = 0.0) -> Process:
        command = [self.python, "-m", *words]
        return Process(name, command, cwd=self.folder, env=self.environment(role, name, clock))

    def environment(self, role: str, name: str, clock: float = 0.0) -> dict[str, str]:
        path = f"{CLOCK}:{self.folder}:{ROOT}"
        own = {"MATRIX_PROCESS": name, "MATRIX_CLOCK": str(clock)}
        return own | {"DJANGO_SETTINGS_MODULE": f"shop.{role}", "PYTHONPATH": path}

    def work(self, children: int = 1, clock: float = 0.0) -> Process:
        """Start a worker whose clock is so many seconds ahead; `until(ready)` of it."""
        name = f"worker{len(self.workers)}"
        words = ["celery", "-A", "shop", "worker", "-Q", f"{self.queue},{self.own_queue}"]
        words += ["-n", f"{name}-{self.queue}@matrix", "-c", str(children), "-l", "INFO"]
        words += ["--without-gossip", "--without-mingle"]
        worker = self.start(name, "worker", *words, clock=clock)
        self.workers.append(worker)
        return worker

    def nodes(self) -> list[str]:
        """Return the names under which the workers are asked."""
        return [f"{worker.name}-{self.queue}@matrix" for worker in self.workers]

    def again(self, worker: Process) -> None:
        """Start a worker that has ended."""
        with self.lock:
            if not self.dismissed and worker.status != "running":
                self.started[worker.id] = len(worker.logs())
                worker.start()

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Start workers that end by themselves, as systemd does (docs/howto/systemd.md)."""
        with repeatedly(lambda: [self.again(worker) for worker in self.workers]):
            yield

    def ready(self) -> None:
        """Wait until all workers are, also after their last start."""
        until(
            lambda: all(
                b" ready." in worker.logs()[self.started[worker.id] :] for worker in self.workers
            ),
            120,
        )

    def send(self, first: int, end: int, seconds: float) -> Process:
        """Send the mails of these numbers, evenly over so many seconds."""
        words = [str(self.told), str(first), str(end), str(seconds)]
        name = f"sender{len(self.senders)}"
        sender = self.start(name, "sender", "tests.chaos.matrix.sender", *words)
        self.senders.append(sender)
        return sender

    def look(self) -> list[dict[str, Any]]:
        """Return the dead letters, one for each recipient."""
        letters: list[dict[str, Any]] = json.loads(
            self.run("tests.chaos.matrix.look", self.queue).splitlines()[-1]
        )
        return letters

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [self.python, "-W", "ignore", "-m", *words],
            cwd=self.folder,
            env=os.environ | self.environment("worker", "a command"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logs(self) -> str:
        """Return all that its processes wrote."""
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def fell(self) -> set[str]:
        """Return why workers ended by themselves, but for what is known of Celery and kombu."""
        return set(FELL.findall(self.logs())) - {KOMBUS}

    def dismiss(self, seconds: float) -> list[str]:
        """Ask the workers to end; return those that did not in time, or not in peace."""
        with self.lock:
            self.dismissed = True
        bad = []
        for worker in self.workers:
            worker.kill("SIGTERM")
        for worker in self.workers:
            try:
                code = worker.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                bad.append(f"{worker.name} does not end")
                worker.kill()
            else:
                bad += [f"{worker.name} ended with {code}"] if code else []
        return bad

    def remove(self) -> None:
        for process in (*self.workers, *self.senders):
            process.remove()
