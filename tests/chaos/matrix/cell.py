"""A row of a column for a system: what is started, the fault, and what is found at the end."""

import dataclasses
import json
import math
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery

from tests.benchmarks.systems import Place
from tests.chaos.matrix import mails, oracle
from tests.chaos.matrix.excuses import Event, Traces, passed, waits
from tests.chaos.matrix.project import Project
from tests.chaos.matrix.relay import Relay
from tests.chaos.matrix.rows import Row
from tests.chaos.matrix.servers import Broker, Postgres
from tests.chaos.matrix.strikes import (
    SENDER_BROKER,
    SENDER_DATABASE,
    WORKER_BROKER,
    WORKER_DATABASE,
    WORKER_RELAY,
)
from tests.chaos.matrix.systems import BARE, LEDGER, VISIBLE_AGAIN, VISIBLE_LATE, System
from tests.letters import Letter
from tests.procnodes import Process
from tests.proxy import Proxy, proxy
from tests.waiting import until

MAILS = 80
SECONDS = 8.0  # in which they are sent
BOUND = 60.0  # seconds after which all has to be over
# Seconds without any change after which nothing is expected any more: Redis has given back what a
# dead worker had, leases have ended.
QUIET = {BARE: 15.0, LEDGER: 30.0}
MOST_RINGS = 20  # that are left when nothing is to be done
SOON = 30.0  # seconds in which another task of the project is done, also behind a restart


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far it is, as it looks from outside."""

    missing: int  # recipients who have no mail yet
    dead: int
    waiting: int
    unfinished: int

    @property
    def over(self) -> bool:
        return self.missing <= self.dead and not self.waiting and not self.unfinished


class Cell:
    """What a row may touch."""

    def __init__(
        self, system: System, folder: Path, broker: Broker, database: Postgres | None
    ) -> None:
        self.system, self.folder, self.broker, self.database = system, folder, broker, database
        self.mails, self.seconds = MAILS, SECONDS
        self.workers, self.children = 1, 2
        self.clock = 0.0  # seconds by which that of the first worker is ahead
        self.late = 0.0  # seconds for which more is waited than beside other faults
        self.queue = f"mail-{uuid.uuid4().hex[:8]}"
        self.refused: set[oracle.Who] = set()
        self.others: list[str] = []
        self.inspected = ""
        self.ways: dict[str, Proxy] = {}
        self.keeps = True  # all that goes to the broker and back
        self.events: list[Event] = []
        self.stored = ""  # what stood in the database in the middle of it

    @property
    def on_redis(self) -> bool:
        return self.broker.url(0).startswith("redis")

    addresses = staticmethod(mails.addresses)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run relay, proxies, project and workers."""
        with ExitStack() as stack:
            self.relay = stack.enter_context(Relay(self.folder / "taken"))
            targets = {SENDER_BROKER: self.broker.port, WORKER_BROKER: self.broker.port}
            targets[WORKER_RELAY] = self.relay.port
            if self.database:
                targets |= dict.fromkeys((SENDER_DATABASE, WORKER_DATABASE), self.database.port)
            for link, port in targets.items():
                broker = link in (SENDER_BROKER, WORKER_BROKER)
                keeps = link == WORKER_RELAY or (broker and self.keeps)
                self.ways[link] = stack.enter_context(proxy(port, keeps=keeps))
            self.visible_again = VISIBLE_LATE if self.clock else VISIBLE_AGAIN
            places = self.place("sender"), self.place("worker")
            self.project = Project(self.system, *places, self.visible_again)
            stack.callback(self.project.remove)
            if self.database:
                migrate = partial(self.project.run, "django", "migrate", "--verbosity", "0")
                self.database.create(self.queue, migrate)
            for number in range(self.workers):
                self.project.work(self.children, 0.0 if number else self.clock)
            self.project.ready()
            stack.enter_context(self.project.supervised())
            yield

    def place(self, role: str) -> Place:
        """Return where a role reaches everything."""
        databases = {}
        if self.database:
            port = self.ways[f"{role} to database"].port
            databases["default"] = self.database.settings | {"PORT": str(port), "NAME": self.queue}
        return Place(
            folder=self.folder,
            broker=self.broker.url(self.ways[f"{role} to broker"].port),
            queue=self.queue,
            port=self.ways[WORKER_RELAY].port,
            databases=databases,
        )

    # What a row asks.

    def told(self) -> dict[int, dict[str, Any]]:
        """Return the last note of the senders about each mail."""
        lines = [json.loads(line) for line in self.project.told.read_text().splitlines()]
        return {number: line for line in lines for number in line["numbers"]}

    def told_until(self) -> int:
        return max(self.told(), default=-1)

    def errors_since(self, number: int) -> bool:
        """Tell whether a caller got an error for a mail behind this one."""
        last = {facts["told"] for each, facts in self.told().items() if each > number}
        return bool(last - {"nothing", "accepted", "rolled back"})

    def killed(self, worker: Process) -> None:
        """Note that a worker, or its child, was killed just now."""
        now = time.monotonic()
        self.events.append(Event("killed", worker.name, now, now))

    def busy(self) -> None:
        """Wait until one more mail is taken, so that workers have others in hand."""
        before = len(self.relay.mails)
        with suppress(AssertionError):  # all have come
            until(lambda: len(self.relay.mails) > before, 5, pause=0.002)

    def must_happen(self, event: threading.Event) -> None:
        if not event.wait(20):
            self.others.append("the fault did not happen")

    # From start to end.

    def live(self, row: Row) -> None:
        """Send, let the fault come and go, and wait until nothing is left to do."""
        sender = self.project.send(0, self.mails, self.seconds)
        until(lambda: self.told_until() >= self.mails // 4)
        self.stored = self.database.text(self.queue) if self.database else ""
        row.strike(self)
        sender.popen.wait(120)
        if (after := self.told_until() + 1) < self.mails:
            self.project.send(after, self.mails, 1).popen.wait(60)
        self.ping()
        self.project.ready()
        self.wait()

    def wait(self, bound: float = BOUND) -> None:
        """Wait until it is over, or nothing happens any more; the oracle tells what is left."""
        quiet = QUIET[self.system.level] + self.late
        end = time.monotonic() + bound + self.late
        seen, since = self.progress(), time.monotonic()
        while not seen.over and time.monotonic() < min(end, since + quiet):
            time.sleep(0.2)
            if (now := self.progress()) != seen:
                seen, since = now, time.monotonic()

    def progress(self) -> "Progress":
        told = {number: facts["told"] for number, facts in self.told().items()}
        came = oracle.arrived(self.relay.taken())
        missing = sum(1 for who in oracle.owed(told) if not came[who])
        return Progress(missing, self.dead(), self.broker.waiting(self.queue), self.unfinished())

    def dead(self) -> int:
        kept = self.database.dead(self.queue) if self.database else 0
        return kept + self.broker.dead(self.queue)

    def unfinished(self) -> int:
        return self.database.unfinished(self.queue) if self.database else 0

    def ping(self) -> None:
        """Have another task of the project done, and ask the workers what they have."""
        path = self.folder / uuid.uuid4().hex
        with Celery("ping", broker=self.broker.url(self.broker.port), set_as_current=False) as app:
            app.send_task("shop.ping", [str(path)], queue=self.project.own_queue)
            workers: Any = app.control.inspect(self.project.nodes(), timeout=3)
            if self.system.ours:
                answers = workers.active(), workers.reserved(), workers.scheduled()
                self.inspected += repr(answers)
        try:
            until(path.exists, SOON)
        except AssertionError:
            self.others.append("another task of the project is not done")

    def evidence(self, *, doubt: bool) -> oracle.Evidence:
        """End the workers, and collect what there is to know."""
        self.others += [f"a worker fell: {why}" for why in self.project.fell()]
        self.others += self.project.dismiss(30)
        letters = self.project.look() if self.system.ours and self.dead() else []
        on_queue = self.broker.waiting(self.queue)
        on_queue += self.broker.remove(self.queue, self.project.own_queue)
        if self.database and on_queue > MOST_RINGS:
            self.others.append(f"{on_queue} rings are left")
        told = self.told()
        stored = self.database.text(self.queue) if self.database else ""
        return oracle.Evidence(
            told={number: facts["told"] for number, facts in told.items()},
            copies=self.relay.taken(),
            letters=[Letter(**each) for each in letters],
            refused=self.refused,
            doubt=doubt,
            left=self.unfinished() if self.database else on_queue,
            slowest=max(facts.get("seconds", 0.0) for facts in told.values()),
            others=self.others,
            public={
                "a log": self.project.logs(),
                "inspect": self.inspected,
                "the broker": self.heard(),
                "the database": self.stored + stored,
            },
        )

    def heard(self) -> str:
        """Return what passed between the broker and its clients."""
        flows = [*self.ways[SENDER_BROKER].flows, *self.ways[WORKER_BROKER].flows]
        return b"".join(flow.heard for flow in flows).decode("latin-1")

    def traces(self) -> Traces:
        """Collect what may explain a second copy."""
        return Traces(
            level=self.system.level,
            copies=self.relay.taken(),
            waited=waits(self.ways[WORKER_RELAY].flows),
            published=passed(self.ways[SENDER_BROKER].flows, to_broker=True),
            given=passed(self.ways[WORKER_BROKER].flows, to_broker=False),
            visible_again=self.visible_again if self.on_redis else math.inf,
            notes=self.database.notes(self.queue) if self.database else (),
            events=self.events,
        )
