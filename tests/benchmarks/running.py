"""Systems that run: who sends, the workers, and the relay that counts."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kombu import Connection

from tests.benchmarks.systems import Place, System, settings_of
from tests.environments import APP, environment_with
from tests.ledger.databases import empty_database, running
from tests.procnodes import Process
from tests.services import queue_on, rabbitmq_service, redis_service

FOLDER = Path(__file__).parent
DRIVER = "psycopg[binary]"
PATIENCE = 120.0  # seconds without a new mail after which a measurement is given up


class CountError(Exception):
    """The relay did not take what was sent, each mail once."""


class Services(NamedTuple):
    """URLs of the brokers, settings of the database server."""

    redis: str
    rabbitmq: str
    postgresql: dict[str, Any]


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    with (
        redis_service(folder) as redis,
        rabbitmq_service(folder) as rabbitmq,
        running("postgresql") as server,
    ):
        yield Services(redis, rabbitmq, server)


class Sink:
    """`smtp_sink.py` as a process."""

    def __init__(self, milliseconds: float, extensions: tuple[str, ...]) -> None:
        script = [sys.executable, str(FOLDER / "smtp_sink.py"), str(milliseconds)]
        self.process = subprocess.Popen([*script, *extensions], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.asking = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.answers = self.asking.makefile("rb")
        self.answers.readline()
        self.sent = 0  # what should have come

    def ask(self, question: str) -> str:
        self.asking.sendall(question.encode() + b"\r\n")
        return self.answers.readline().split()[1].decode()

    def count(self) -> int:
        """Return how many mails came."""
        return int(self.ask("COUNT"))

    def when(self, number: int) -> float:
        """Wait until so many mails came; return when the last of these did (`time.monotonic`)."""
        heard, before = time.monotonic(), -1
        while (seen := self.count()) < number:
            if seen > before:
                heard, before = time.monotonic(), seen
            elif time.monotonic() > heard + PATIENCE:
                raise CountError(f"{seen} of {number} mails came")
            time.sleep(0.005)
        return float(self.ask(f"WHEN {number}"))

    def check(self) -> None:
        """Raise `CountError` unless exactly what was sent has come."""
        if (count := self.count()) != self.sent:
            raise CountError(f"{self.sent} mails were sent, {count} came")

    def close(self) -> None:
        self.answers.close()
        self.asking.close()
        self.process.kill()
        self.process.communicate()


class Running:
    """A project that uses a system: a process that sends, and workers."""

    def __init__(self, system: System, place: Place) -> None:
        self.system, self.place = system, place
        package = place.folder / "shop"
        package.mkdir()
        (package / "__init__.py").write_text(APP)
        settings = settings_of(system, place)
        lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
        (package / "settings.py").write_text("".join(lines))
        self.python = environment_with(system.django, *system.packages, DRIVER)
        self.env = {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": str(place.folder)}
        self.workers: list[Process] = []
        self.leaving: list[Process] = []
        self.log = (place.folder / "client.log").open("w")
        self.client = subprocess.Popen(
            [str(self.python), str(FOLDER / "client.py")],
            cwd=place.folder,
            env=os.environ | self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the sending process do something; see `client.py`."""
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.client.stdin.write(json.dumps({"do": do} | arguments) + "\n")
            self.client.stdin.flush()
        line = self.client.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.system.name} could not {do}\n{self.logs()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def hire(self, slots: int, *, pool: str = "prefork", nodes: int = 1) -> None:
        """Start a worker with this many children, or threads; or several such workers."""
        queue = self.place.queue
        command = [str(self.python), "-m", "celery", "-A", "shop", "worker", "-Q", queue]
        command += ["-P", pool, "-c", str(slots)]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        for node in range(1, nodes + 1):
            name = f"worker-{node}"
            named = [*command, "-n", f"{queue}-{node}@%h"]
            self.workers.append(Process(name, named, cwd=self.place.folder, env=self.env))

    def dismiss(self) -> None:
        """Ask the workers to end; a second signal would mean another thing."""
        for worker in self.workers:
            worker.kill("SIGTERM")
        self.leaving += self.workers
        self.workers = []

    def wait(self) -> None:
        """Wait until the workers have ended."""
        self.dismiss()
        for worker in self.leaving:
            try:
                worker.popen.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
        self.leaving = []

    def logs(self) -> str:
        """Return the ends of what the processes said."""
        paths = sorted(self.place.folder.glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in paths)

    def deliver(self, sink: Sink, do: str, kind: str, number: int) -> float:
        """Send so many mails; return the seconds until the last one was taken."""
        sink.check()
        sink.sent += number
        began = float(self.ask(do, kind=kind, number=number)["began"])
        if self.system.sender:
            self.ask("command", **self.system.sender(self.place))
        try:
            return sink.when(sink.sent) - began
        except CountError as error:
            error.add_note(f"{self.system.name}\n{self.logs()}")
            raise

    def purge(self) -> None:
        """Throw away what is queued."""
        if self.system.database:
            self.ask("forget")
        with Connection(self.place.broker) as broker:
            channel: Any = broker.default_channel
            with contextlib.suppress(broker.channel_errors):  # nothing was ever queued
                channel.queue_purge(self.place.queue)

    def close(self) -> None:
        self.wait()
        assert self.client.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.client.stdin.close()
        try:
            self.client.wait(30)
        except subprocess.TimeoutExpired:
            self.client.kill()
            self.client.wait()
        assert self.client.stdout is not None
        self.client.stdout.close()
        self.log.close()


@dataclasses.dataclass(frozen=True)
class Stage:
    """What one part of the benchmarks has started; it ends in the reverse order."""

    services: Services
    folder: Path
    stack: ExitStack
    running: list[Running] = dataclasses.field(default_factory=list)

    def dismiss(self) -> None:
        """Ask all workers to end, so that they need not be waited for one by one."""
        for one in self.running:
            one.dismiss()

    def sink(self, milliseconds: float = 0, *extensions: str) -> Sink:
        """Run a relay; in the end it must have taken exactly what was sent."""
        return self.stack.enter_context(self._sink(milliseconds, extensions))

    @contextmanager
    def _sink(self, milliseconds: float, extensions: tuple[str, ...]) -> Iterator[Sink]:
        sink = Sink(milliseconds, ("8BITMIME", *extensions))
        try:
            yield sink
            sink.check()
        finally:
            sink.close()

    def start(
        self, system: System, *, sink: Sink | None = None, broker: str = "", workers: int = 0
    ) -> Running:
        """Start what sends; and a worker with so many children, unless the system has none."""
        url = broker or self.services.redis
        queue = self.stack.enter_context(queue_on(url))
        databases = {}
        if system.database:
            server = self.services.postgresql
            databases["default"] = self.stack.enter_context(empty_database("postgresql", server))
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        port = sink.port if sink else 1
        place = Place(folder=folder, broker=url, queue=queue, port=port, databases=databases)
        one = Running(system, place)
        self.running.append(one)
        self.stack.callback(one.close)
        if system.database:
            one.ask("command", name="migrate", verbosity=0)
        if workers and system.queued:
            one.hire(workers)
        return one
