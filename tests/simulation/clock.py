"""The time of a run: nobody waits for it, and not everybody agrees on it."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

BEGIN = 1_900_000_000.0  # Unix time at which each run begins


@dataclasses.dataclass
class Clock:
    """The true time, in seconds."""

    now: float = BEGIN

    def reach(self, moment: float) -> None:
        """Go on to a moment, unless it is past."""
        self.now = max(self.now, moment)


class Times:
    """What a module finds under the name ``time``: the clock of whoever asks."""

    def __init__(self, clock: Clock, skew: Callable[[], float], wait: Callable[[float], None]):
        self.clock, self.skew, self.sleep = clock, skew, wait

    def time(self) -> float:
        return self.clock.now + self.skew()

    def monotonic(self) -> float:
        return self.clock.now - BEGIN + 1000.0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
