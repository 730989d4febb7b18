"""The schedules of a simulation: who sends what, who goes on, and what goes wrong, and when."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from celery import Celery
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.simulation.mail_server import EXTENSIONS
from tests.simulation.oracle import faults, heal
from tests.simulation.plan import OURS, THEIRS, Call, Fate, Fault, Mail, Plan
from tests.simulation.world import World

HOUR = 3600.0
A_WHILE = 400.0  # seconds for which all go on, with what is wrong, before all is well again
SLOW = 6.0  # seconds for an answer, with which a mail just does not take too long


def with_time(plan: Plan) -> Plan:
    """Give a target that does not ask whether its lease lasts a lease that does."""
    return plan if plan.reports else dataclasses.replace(plan, lease=900.0)


plans = st.builds(
    Plan,
    ledger=st.sampled_from([True, True, False]),
    rabbitmq=st.booleans(),
    target=st.sampled_from([OURS] * 4 + [THEIRS]),
    batch_size=st.sampled_from([10, 3, 1]),
    connections=st.sampled_from([1, 3]),
    weave=st.integers(0, 9),
    keep_sent=st.sampled_from([7 * 24 * HOUR, 60.0]),
    unknown_attempts=st.sampled_from([4, 2]),
    lease=st.sampled_from([75.0, 900.0]),
    schedule=st.sampled_from([(30.0, 120.0, 300.0), (1.0,), (60.0, HOUR)]),
    max_age=st.sampled_from([3 * 24 * HOUR, HOUR]),
    ambiguous=st.sampled_from(["resend", "resend", "hold"]),
    extensions=st.sampled_from(list(EXTENSIONS)),
    fast=st.sampled_from(
        [(0.0, 0.0, 0.0), (0.0, HOUR, 0.0), (-HOUR, 0.0, 60.0), (3.0, -3.0, -HOUR)]
    ),
    speeds=st.sampled_from([(1.0, 1.0, 1.0), (0.99, 1.01, 1.0), (1.0005, 0.9995, 0.99)]),
    visibility=st.sampled_from([1800.0, 300.0]),
    pace=st.sampled_from([SLOW, 0.01, SLOW]),
    eager=st.sampled_from([False] * 7 + [True]),
).map(with_time)
fates = st.builds(
    Fate,
    recipients=st.sampled_from(
        [("ok",), ("ok",), ("later",), ("ok", "never"), ("never", "ok", "later"), ("later", "ok")]
    ),
    contents=st.sampled_from(
        [(), (), (), ("lost",), ("later",), ("later", "lost"), ("silent",), ("never",)]
    ),
    odd=st.sampled_from([0, 0, 2, 5]),
)
waits = st.sampled_from([None] * 5 + [70.0, 2 * HOUR])
# Of the mails of a call, one after the other and again from the first: how long each may take.
spans = st.sampled_from([(None,)] * 4 + [(70.0,), (None, 70.0), (70.0, 2 * HOUR, None)])
blocks = st.sampled_from(
    [
        *((), (), ("commits",), ("rolls back",), ("commits", "rolls back")),
        *(("rolls back", "commits"), ("robust", "commits")),
    ]
)
Spans = Sequence[float | None]

DATABASE = ["before SELECT", "before INSERT", "after INSERT", "before UPDATE", "after UPDATE"]
DATABASE += ["before COMMIT", "after COMMIT", "before BEGIN"]
PUBLISHING = ["before publishing", "after publishing"]
SENDING = ["before connecting to the mail server", "before the mail server hears it"]
SENDING += ["after the mail server heard it", "after an answer of the mail server"]
TASK = ["after taking a message", "before acknowledging"]
ABORTING = ["before INSERT", "after INSERT", "before UPDATE", "after UPDATE", "before COMMIT"]


TROUBLES = ["ends", "database", "broker", "mail server", "clocks", "pauses"]


def trouble(kind: str) -> Any:
    """Let a rule be drawn in those runs alone that have trouble of this kind."""
    return precondition(lambda self: kind in self.troubles)


class Simulation(RuleBasedStateMachine):
    """One run; what is drawn is what happens."""

    apps: ClassVar[dict[bool, Celery]] = {}

    stories: ClassVar[list[list[str]]] = []  # of the last runs

    _world: World | None = None
    ordered = ""  # last
    troubles: Collection[str] = TROUBLES  # few in a run, so that what needs several of a kind comes

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    @initialize(
        plan=plans,
        fates=st.lists(fates, min_size=3, max_size=6),
        lasts=st.sampled_from([(None,), (70.0,), (40.0,)]),
        troubles=st.lists(st.sampled_from(TROUBLES), min_size=2, max_size=3, unique=True),
        pausing=st.booleans(),
    )
    def begin(
        self,
        plan: Plan,
        fates: Sequence[Fate] = (),
        lasts: Spans = (None,),
        troubles: Collection[str] = TROUBLES,
        *,
        pausing: bool = False,
    ) -> None:
        self.troubles = troubles
        app = self.apps[plan.rabbitmq]
        app.conf.task_always_eager = plan.eager
        app.conf.broker_transport_options = {"visibility_timeout": plan.visibility}
        self._world = World(plan, app)
        self.stories.append(self.world.story)
        self.world.begin()
        if fates:
            self.send(list(fates), None, lasts)
        if pausing and "pauses" in troubles:
            self.order()

    @rule(fates=st.lists(fates, min_size=1, max_size=6), wait=waits, lasts=spans, blocks=blocks)
    def send(
        self, fates: list[Fate], wait: float | None, lasts: Spans, blocks: Sequence[str] = ()
    ) -> None:
        """Send mails in one call."""
        world, now = self.world, self.world.clock.now
        numbers = []
        for place, fate in enumerate(fates):
            number, last = len(world.mails) + 1, lasts[place % len(lasts)]
            send_at = None if wait is None else now + wait
            until = None if last is None else now + last + (wait or 0.0)
            world.mails[number] = Mail(number, fate, send_at, until)
            world.server.fates[number] = fate
            numbers.append(number)
            world.tell(f"mail {number} is sent: {fate}, after {wait} s, within {last} s")
        if blocks:
            world.tell(f"mails {numbers} are sent in blocks: {blocks}")
        world.outbox.append(Call(numbers, blocks))

    @rule(who=st.sampled_from(["worker 1", "worker 2", "web", "timer"]), steps=st.integers(1, 60))
    def go_alone(self, who: str, steps: int) -> None:
        """Let one go on while the others stand still."""
        self.world.let(who, steps)

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0, 1000.0]))
    def go_together(self, seconds: float) -> None:
        self.world.go(seconds)

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0]))
    def go_on_together(self, seconds: float) -> None:
        """Once more, for it is what happens most often."""
        self.go_together(seconds)

    @trouble("clocks")
    @rule(seconds=st.sampled_from([2.0, 70.0, 1000.0]))
    def stand_still(self, seconds: float) -> None:
        """Let time pass for machines that sleep."""
        self.world.clock.now += seconds

    @trouble("clocks")
    @rule(
        who=st.sampled_from(["worker 1", "worker 2", "web"]),
        fast=st.sampled_from([0.0, 60.0, -60.0, HOUR]),
    )
    def set_clock(self, who: str, fast: float) -> None:
        self.world.tell(f"the clock of {who} is set to be {fast:.0f} s fast")
        self.world.set_clock(who, fast)

    @trouble("pauses")
    @rule()
    def order(self) -> None:
        """Let an operator pause the mailer, or resume it."""
        self.ordered = "resume" if self.ordered == "pause" else "pause"
        self.world.orders.append(self.ordered)

    @trouble("ends")
    @rule(
        step=st.sampled_from([*DATABASE, *PUBLISHING, *SENDING, *TASK]),
        nth=st.integers(1, 8),
        what=st.sampled_from(["kill", "end", "child"]),
    )
    def ends(self, step: str, nth: int, what: str) -> None:
        """Let whoever comes to a step be killed there, or ended."""
        self.world.mishaps.faults.append(Fault(step, nth, what))

    @trouble("ends")
    @rule(step=st.sampled_from([*DATABASE, *PUBLISHING, *SENDING]), nth=st.integers(1, 8))
    def comes_to_its_limit(self, step: str, nth: int) -> None:
        """Let a worker, or a task that sends mail, come to its soft limit of time, and go on."""
        self.world.mishaps.faults.append(Fault(step, nth, "limit"))

    @trouble("database")
    @rule(step=st.sampled_from(DATABASE), nth=st.integers(1, 8))
    def loses(self, step: str, nth: int) -> None:
        """Let whoever comes to a step lose the database, or the broker, there."""
        self.world.mishaps.faults.append(Fault(step, nth, "lose"))

    @trouble("broker")
    @rule(step=st.sampled_from([*PUBLISHING, "before acknowledging"]), nth=st.integers(1, 8))
    def loses_broker(self, step: str, nth: int) -> None:
        self.loses(step, nth)

    @trouble("database")
    @rule(step=st.sampled_from(ABORTING), nth=st.integers(1, 8))
    def aborts(self, step: str, nth: int) -> None:
        """Let the database undo a transaction, as for a deadlock."""
        self.world.mishaps.faults.append(Fault(step, nth, "abort"))

    @trouble("broker")
    @rule(step=st.sampled_from([*SENDING, "before COMMIT", *PUBLISHING]), nth=st.integers(1, 8))
    def cuts(self, step: str, nth: int) -> None:
        """Cut a worker's connection to the broker, of which its task hears nothing."""
        self.world.mishaps.faults.append(Fault(step, nth, "cut"))

    @trouble("database")
    @rule(
        seconds=st.sampled_from([5.0, 60.0, 2000.0]), after=st.sampled_from([0.0, 0.0, 15.0, 45.0])
    )
    def database_away(self, seconds: float, after: float = 0.0) -> None:
        self.world.tell(f"the database is away for {seconds:.0f} s, after {after:.0f} s")
        begin = self.world.clock.now + after
        self.world.mishaps.away = begin, begin + seconds

    @trouble("mail server")
    @rule(mood=st.sampled_from(["", "down", "password", "busy", "silent"]))
    def mail_server(self, mood: str) -> None:
        self.world.tell(f"the mail server is {mood or 'well'}")
        self.world.server.trouble = mood

    @trouble("mail server")
    @rule(pace=st.sampled_from([0.01, 1.0, SLOW, 9.0]))
    def mail_server_pace(self, pace: float) -> None:
        self.world.tell(f"the mail server takes {pace} s for each answer")
        self.world.server.pace = pace

    @trouble("broker")
    @rule()
    def flush_broker(self) -> None:
        """Let the broker lose all rings; without the ledger it is all there is."""
        if self.world.plan.ledger and self.world.broker.queue:
            self.world.tell("the broker is flushed")
            self.world.broker.queue.clear()

    def teardown(self) -> None:
        if self._world is None:
            return
        world = self._world
        try:
            world.go(A_WHILE)
            heal(world)
            found = list(faults(world))
            assert not found, "\n".join([*found, "The story:", *world.story])
        finally:
            world.end()
