"""What stands in the place of time, chance, broker and database while a run lasts."""

import functools
import itertools
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from mailqueue import lanes, log
from mailqueue.bootsteps import relay as timer
from mailqueue.broker import bell, publish
from mailqueue.broker.dead import DeadLetter
from mailqueue.delivery import (
    attempt,
    claiming,
    couriers,
    deliver,
    follow_up,
    paused,
    process,
    work,
)
from mailqueue.ledger import database  # noqa: F401 (it is imported when it is needed)
from tests.simulation.clock import OwnClock, Times
from tests.simulation.couriers import Back, SimulatedCourier
from tests.simulation.processes import Process
from tests.simulation.sqlite import base as sqlite

REAL = {"mailqueue.watch", "mailqueue.bounded"}  # they watch over threads of this very process


def own_clock(world: Any) -> OwnClock:
    here = Process.current()
    return OwnClock(world.clock) if here is None else here.own_clock


def sleep(seconds: float) -> None:
    here = Process.current()
    assert here is not None
    here.wait(seconds)


def now_and_then(ask: Callable[[], Any]) -> Callable[[], Any]:
    """Ask each tenth time only: it costs a third of a run."""
    count = itertools.count(1)
    return lambda: ask() if next(count) % 10 == 0 else 0


@contextmanager
def patched(world: Any) -> Iterator[None]:
    """Let the modules of the package live in a world."""
    times: Any = Times(lambda: own_clock(world), sleep)
    changes: list[tuple[Any, str, Any]] = [
        (module, "time", times)
        for name, module in list(sys.modules.items())
        if name.startswith("mailqueue.") and name not in REAL and vars(module).get("time") is time
    ]
    tried = functools.partial(deliver.deliver, clock=times.time, random=lambda: 0.5)
    changes += [(work, "deliver", tried), (process, "deliver", tried)]
    died = lambda **facts: DeadLetter(died_at=times.time(), **facts)  # noqa: E731
    changes += [(follow_up, "DeadLetter", died)]
    changes += [(each, "carrier_app", lambda: world.app) for each in (publish, bell)]
    changes += [(each, "publisher_of", lambda app: world.publisher) for each in (publish, bell)]
    changes += [(lanes, "ring_soon", bell.ring)]  # a thread of its own would belong to no process
    changes += [(sqlite, "now", lambda: world.clock.now), (sqlite, "asked", world.mishaps.database)]
    changes += [(attempt, "SimpleQueue", Back), (couriers, "CourierThread", SimulatedCourier)]
    changes += [(log, "FEW", 10**9), (timer, "purge", now_and_then(timer.purge))]
    # Of mails that are due at the same time, it is their ids that say which is first.
    chance = random.Random(0)
    changes += [(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4))]
    changes += [(secrets, "token_hex", lambda size: chance.randbytes(size).hex())]
    own = [
        (deliver, "breakers"),
        (work, "breakers"),
        (work, "last_served"),
        (claiming, "unanswered"),
        (paused, "_answers"),
        (bell, "_bell"),
        (attempt, "couriers"),
        (attempt, "paces"),
    ]
    changes += [(module, name, getattr(module, name)) for module, name in own]
    patches = [mock.patch.object(*change) for change in changes]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()
