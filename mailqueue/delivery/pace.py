"""How many open targets are of use at once: as many as keep this process from waiting.

A process that computes nine tenths of the time gains nothing from a second connection, and one that
waits nine tenths of it can use ten. How far a relay is, what it offers and what a mail costs here
are all in that.
"""

import dataclasses
import time

BUSY = 1.5  # seconds that went by for a second of computing, below which fewer are enough
WAITING = 3.0  # and above which more are of use
HELD = 300.0  # seconds for which no more are tried than the target gave


@dataclasses.dataclass(slots=True)
class Pace:
    """What is known of one target in one process: ``useful`` connections, 0 if nothing is."""

    useful: int = 0
    given: int = 0
    held_until: float = 0.0

    def number(self, mails: int, most: int) -> int:
        """Return how many to use for so many mails."""
        useful = self.useful or 1
        if time.monotonic() < self.held_until:
            useful = min(useful, self.given)
        return max(1, min(useful, mails, most))

    def note(self, used: int, *, seconds: float, computed: float) -> None:
        """Learn from so many that were busy for so long, and from the processor time in it."""
        share = seconds / max(computed, 1e-6)
        if share < BUSY:
            self.useful = max(1, used // 2)
        elif share > WAITING or not self.useful:
            self.useful = round(used * share)

    def refused(self, given: int) -> None:
        """Learn that a target gave no more than so many."""
        self.given, self.held_until = max(1, given), time.monotonic() + HELD
