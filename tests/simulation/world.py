"""A run: everybody who works on mail, who of them is let go on, and the story of it in words."""

import functools
from contextlib import ExitStack

from celery import Celery
from django.test import override_settings

from mailqueue import signals
from tests.ledger.databases import To
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.clock import BEGIN, Clock, OwnClock
from tests.simulation.excuses import Excuses
from tests.simulation.jobs import JOBS
from tests.simulation.listener import listening
from tests.simulation.mail_server import EXTENSIONS, MailServer, SimulatedSMTP
from tests.simulation.mishaps import Mishaps, close
from tests.simulation.patches import patched
from tests.simulation.plan import ALIAS, Call, Mail, Plan
from tests.simulation.processes import Process
from tests.simulation.rows import Rows
from tests.simulation.windows import Window

MACHINES = ("worker 1", "worker 2", "web")  # that have clocks of their own


class World:
    """Everybody and everything of one run."""

    def __init__(self, plan: Plan, app: Celery) -> None:
        self.plan, self.app = plan, app
        self.clock = Clock()
        self.story: list[str] = []
        self.defects: list[str] = []
        self.mails: dict[int, Mail] = {}
        self.outbox: list[Call] = []
        self.orders: list[str] = []  # of an operator
        self.paused_since: float | None = None
        self.pauses: list[tuple[float, float]] = []
        self.next_look = 0.0
        self.healed_at = 0.0
        self.clocks = {name: OwnClock(self.clock) for name in JOBS}
        wrong = zip(MACHINES, plan.fast, plan.speeds, strict=True)
        self.clocks |= {name: OwnClock(self.clock, *how) for name, *how in wrong}
        self.rows = Rows()
        self.excuses = Excuses(plan, self.clock, self.rows, self.tell)
        self.broker = Broker(self.clock, rabbitmq=plan.rabbitmq, visibility=plan.visibility)
        self.broker.came_back = self.excuses.came_back
        self.mishaps = Mishaps(self.broker, self.excuses, self.tell)
        self.server = MailServer(self.clock, EXTENSIONS[plan.extensions], plan.pace)
        self.server.took, self.server.unanswered = self.excuses.took, self.excuses.unanswered
        self.server.overheard = self.excuses.overheard
        self.server.step = self.mishaps.mail_server
        self.publisher = SimulatedPublisher(app, self.broker, self.mishaps.publishing)
        self.processes: dict[str, Process] = {}
        self.stack = ExitStack()

    def begin(self) -> None:
        self.rows.clear()
        self.stack.enter_context(
            override_settings(MAILERS=self.plan.mailers(), DATABASE_ROUTERS=[To(ALIAS)])
        )
        self.stack.enter_context(patched(self))
        self.stack.enter_context(listening(self.tell, self.defects))
        signals.sent.connect(self.excuses.told_sent)
        self.stack.callback(signals.sent.disconnect, self.excuses.told_sent)
        SimulatedSMTP.server = self.server
        for name in JOBS:
            self.start(name)
        self.tell(f"{self.plan}")

    def end(self) -> None:
        self.server.unanswered = lambda copy, why: None
        for process in self.processes.values():
            process.at_end = lambda process: close()
            process.bury()
        self.rows.close()
        self.stack.close()

    def start(self, name: str) -> None:
        job = functools.partial(JOBS[name], self)
        process = Process(name, self.clock, self.clocks[name], job)
        process.chance.seed(f"{name} {self.plan.weave}")
        process.on_step, process.at_end = self.mishaps.at_step, self.gone
        self.excuses.begin(process)
        self.processes[name] = process

    def gone(self, process: Process) -> None:
        """See a process end."""
        close()
        self.excuses.doubt_all()  # once more: what it had not committed is undone now
        self.excuses.gone(process)
        if process.is_child and not process.survived:
            self.broker.lose(process, Window.KILLED)

    def tell(self, text: str) -> None:
        self.story.append(f"{self.clock.now - BEGIN:10.3f} s  {text}")

    def set_clock(self, name: str, fast: float) -> None:
        """Set the clock of a machine, while what runs there goes on."""
        self.clocks[name].set(fast)
        self.processes[name].was_set = True

    @property
    def clock_error(self) -> float:
        """Return the most that any clock has been wrong by."""
        return max(each.error for each in self.clocks.values())

    @property
    def longest_rest(self) -> float:
        """Return how long a mail may wait for what has passed: an attempt, a pause, a worker.

        In the ledger for the lease of a worker, on the broker until Redis gives up on one.
        """
        held = self.plan.lease if self.plan.ledger else self.plan.visibility
        return max(self.plan.longest_wait, held) + self.clock_error + 60.0

    # Who is let go on.

    def let(self, name: str, steps: int) -> None:
        """Let a process go on; what others hold meanwhile stands still."""
        process = self.processes[name]
        if not process.busy and not self.has_work(name):
            return
        if process.is_late:
            self.excuses.stopped(process)
        process.let(steps)
        if process.gone:
            process.bury()
            if process.defect is not None:
                self.defects.append(f"{name} ended with {process.defect!r}")
            self.start(name)
            self.broker.pass_on(process, self.processes[name], Window.KILLED)

    def go(self, seconds: float) -> None:
        """Let all go on together, for so long."""
        end = self.clock.now + seconds
        for _ in range(5000):
            moment, name = min((self.ready_at(name), name) for name in self.processes)
            if moment > end:
                self.clock.reach(end)
                return
            self.clock.reach(moment)
            self.let(name, 40)
        self.defects.append("the processes never rest")

    def ready_at(self, name: str) -> float:
        """Return when a process has something to do."""
        process = self.processes[name]
        if process.busy:
            return process.ready_at
        if self.has_work(name):
            return self.clock.now
        if name.startswith("worker"):
            return max(self.clock.now, self.broker.next_for(process))
        if name == "timer" and (due := self.next_due()) is not None:
            return max(self.next_look, due)
        return float("inf")

    def has_work(self, name: str) -> bool:
        if name == "web":
            return bool(self.outbox)
        if name == "operator":
            return bool(self.orders)
        if name == "timer":
            return self.is_time_to_look()
        return self.broker.next_for(self.processes[name]) <= self.clock.now

    def is_time_to_look(self) -> bool:
        due = self.next_due()
        return due is not None and max(due, self.next_look) <= self.clock.now

    def next_due(self) -> float | None:
        """Return when the next mail of the ledger is due."""
        return self.rows.next_due() if self.plan.ledger else None
