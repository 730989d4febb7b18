"""The time of a run: nobody waits for it, and not everybody agrees on it."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

BEGIN = 1_900_000_000.0  # Unix time at which each run begins


@dataclasses.dataclass
class Clock:
    """The true time, in seconds; so is the database's."""

    now: float = BEGIN

    def reach(self, moment: float) -> None:
        """Go on to a moment, unless it is past."""
        self.now = max(self.now, moment)


@dataclasses.dataclass
class OwnClock:
    """The clock of a machine: ``fast`` by so many seconds, and ``speed`` seconds in each."""

    true: Clock
    fast: float = 0.0
    speed: float = 1.0
    worst: float = 0.0  # the most that it was ever set wrong by

    def __post_init__(self) -> None:
        self.set(self.fast)

    def set(self, fast: float) -> None:
        self.fast, self.worst = fast, max(self.worst, abs(fast))

    @property
    def error(self) -> float:
        """Return the most that it has been wrong by so far."""
        return self.worst + abs(self.speed - 1.0) * (self.true.now - BEGIN)

    def monotonic(self) -> float:
        return (self.true.now - BEGIN) * self.speed

    def time(self) -> float:
        return BEGIN + self.monotonic() + self.fast

    def shows(self, moment: float) -> float:
        """Return the true time at which it shows a moment."""
        return BEGIN + (moment - self.fast - BEGIN) / self.speed


class Times:
    """What a module finds under the name ``time``: the clock of whoever asks."""

    def __init__(self, own: Callable[[], OwnClock], wait: Callable[[float], None]) -> None:
        self.own, self.wait = own, wait

    def time(self) -> float:
        return self.own().time()

    def monotonic(self) -> float:
        return self.own().monotonic() + 1000.0

    def process_time(self) -> float:
        """Return the processor time: most of the time a worker waits."""
        return self.own().monotonic() / 4

    def sleep(self, seconds: float) -> None:
        self.wait(seconds / self.own().speed)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
