"""Processes that run in lockstep: one at a time, step by step, for as long as they are let.

A process is a thread with what is a process's own: what it knows of pauses, its bell, its clock.
It goes from step to step; at each it may be stopped for a while, ended or killed. It may have more
threads, of which one goes on at a time, and chance says which.
"""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mailqueue.broker import bell
from mailqueue.delivery import attempt, claiming, deliver, paused, work
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.couriers import Couriers
from mailqueue.delivery.pace import Pace
from tests.simulation.clock import Clock, OwnClock

STEP = 0.002  # seconds that a step takes
LATE = 1.0  # seconds after which a process that is not let was stopped


class Killed(BaseException):
    """The process is gone: nothing that it does from now on happens."""


class Ended(SystemExit):
    """The process is told to go, and may clear up."""


class Strand:
    """A thread of a process, and when its present step is done; an idle one waits for another."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.ready_at = 0.0
        self.idle = False
        self.leaving = False  # nobody hears any more what it does


class Process:
    """One incarnation of a process. `job` does one piece of work, and tells whether there was any.

    ``ready_at`` is when its present step is done; ``stopped`` counts the seconds in the present
    piece of work for which it could have gone on and was not let.
    """

    here = threading.local()

    def __init__(
        self, name: str, clock: Clock, own_clock: OwnClock, job: Callable[["Process"], bool]
    ) -> None:
        self.name, self.clock, self.own_clock, self.job = name, clock, own_clock, job
        self.ready_at = clock.now
        self.stopped = 0.0
        self.busy = self.dead = self.gone = False
        self.survived = False  # it is the child of a worker that goes on
        self.limited = False  # it came to its limit of time, in the present piece of work
        self.was_set = False  # its clock was, in the present piece of work
        self.held_still = 0  # blocks in which it is not interrupted
        self.defect: BaseException | None = None
        self.main = self.strand = Strand()
        self.strands = [self.main]
        self.chance = random.Random(name)
        self.pending: BaseException | None = None  # what is to be raised in its main thread
        self.own: dict[str, Any] = {
            "breakers": defaultdict(Breaker),
            "last_served": {},
            "unanswered": defaultdict(list),
            "answers": {},
            "bell": bell.Bell(),
            "couriers": Couriers(),
            "paces": defaultdict(Pace),
        }
        self.on_step: Callable[[Process, str], str] = lambda process, step: ""
        self.at_end: Callable[[Process], None] = lambda process: None
        self._steps = 0
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=f"simulated-{name}", daemon=True)
        self._thread.start()

    @classmethod
    def current(cls) -> "Process | None":
        return getattr(cls.here, "process", None)

    @property
    def is_child(self) -> bool:
        """Whether it runs tasks for a worker."""
        return self.name.startswith("worker")

    @property
    def has_limit(self) -> bool:
        """Whether somebody may have set it a limit of time."""
        return self.is_child or self.name == "web"

    # What the world does.

    @property
    def is_late(self) -> bool:
        """Whether it could have gone on for a while, and was not let."""
        return self.busy and self.clock.now - self.ready_at > LATE

    def let(self, steps: int) -> None:
        """Let it go on for so many steps, or until it has to wait or has nothing to do."""
        if self.is_late:
            self.stopped += self.clock.now - self.ready_at
        self.clock.reach(self.ready_at)
        deliver.breakers = work.breakers = self.own["breakers"]
        work.last_served = self.own["last_served"]
        claiming.unanswered = self.own["unanswered"]
        paused._answers = self.own["answers"]
        bell._bell = self.own["bell"]
        attempt.couriers, attempt.paces = self.own["couriers"], self.own["paces"]
        self._steps = steps
        self._go.release()
        self._back.acquire()
        self.own["bell"] = bell._bell

    def bury(self) -> None:
        """See that its thread ends."""
        if not self.gone:
            self.dead = True
            self.let(10**6)
        self._thread.join()

    # What happens in it.

    def step(self, name: str) -> str:
        """Be at a step; raise what becomes of the process there, or return what of the step."""
        if self.dead:
            raise Killed(self.name)
        self.clock.now += STEP
        self.ready_at = self.strand.ready_at = self.clock.now
        self._steps -= 1
        if self._steps <= 0 and not self.held_still:
            self._pause()
        if not self.held_still:
            self._weave()
        return self.on_step(self, name)

    def wait(self, seconds: float) -> None:
        """Wait for something that takes so long; others may go on meanwhile."""
        if self.dead:
            raise Killed(self.name)
        self.ready_at = self.strand.ready_at = self.clock.now + max(0.0, seconds)
        if self.held_still:
            self.clock.reach(self.ready_at)
        else:
            self.rest()

    def interrupt(self, error: BaseException) -> None:
        """Raise an error where signals are: in the main thread, now or when it goes on."""
        if self.strand is self.main:
            raise error
        self.pending = error
        self.wake(self.main)

    def die(self) -> None:
        """Be killed, here and now."""
        self.dead = True
        raise Killed(self.name)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Do what is inside without others in between."""
        self.held_still += 1
        try:
            yield
        finally:
            self.held_still -= 1

    # Its threads.

    def wake(self, strand: Strand) -> None:
        """Let a thread be idle no more."""
        if strand.idle:
            strand.idle, strand.ready_at = False, self.clock.now

    def rest(self) -> None:
        """Let the other threads go on until this one has something to do again."""
        me = self.strand
        while me.idle or me.ready_at > self.clock.now:
            first = min((each for each in self.strands if not each.idle), key=ready_at)
            if first.ready_at > self.clock.now:
                self.ready_at = first.ready_at
                self._pause()
            elif first is not me:
                self._turn_to(first)

    def drop(self, strand: Strand) -> None:
        """See the end of a thread, which has the turn."""
        self.strands.remove(strand)
        heir = self.main
        if not self.dead:
            heir = min((each for each in self.strands if not each.idle), key=ready_at)
        self.strand = heir
        heir.turn.release()

    def _weave(self) -> None:
        """Let chance say which of the threads goes on that can."""
        able = [each for each in self.strands if not each.idle and each.ready_at <= self.clock.now]
        chosen = self.chance.choice(able)
        if chosen is not self.strand:
            self._turn_to(chosen)

    def _turn_to(self, other: Strand) -> None:
        me, self.strand = self.strand, other
        other.turn.release()
        me.turn.acquire()
        if self.dead:
            raise Killed(self.name)
        if me is self.main and self.pending is not None:
            error, self.pending = self.pending, None
            raise error

    def _end_others(self) -> None:
        """See the other threads of a process end that is dead."""
        while len(self.strands) > 1:
            self.strand = self.strands[-1]
            self.strand.turn.release()
            self.main.turn.acquire()

    def _pause(self) -> None:
        self._back.release()
        self._go.acquire()
        if self.dead:
            raise Killed(self.name)

    def _run(self) -> None:
        self.here.process = self
        self._go.acquire()
        try:
            while not self.dead:
                self.busy, self.stopped = True, 0.0
                self.was_set = self.limited = False
                found = self.job(self)
                self.busy = False
                if not found or self._steps <= 0:
                    self._pause()
        except (Killed, Ended):
            pass
        except BaseException as error:  # noqa: BLE001 (the world tells it)
            self.defect = error
        finally:
            self.dead = True
            self._end_others()
            self.at_end(self)
            self.gone = True
            self._back.release()


def ready_at(strand: Strand) -> float:
    return strand.ready_at
