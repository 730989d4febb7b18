"""How long a mail may take: a relay that sends a byte a second must not hold a worker for hours."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """The time for the mail in hand, from the answer to the one before it up to its final dot.

    It runs within ``call()`` only, which has an end of its own; outside nothing is bounded.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._until = self._end = math.inf

    @contextmanager
    def call(self, longest: float) -> Iterator[None]:
        """Begin to count, for so many seconds in all; within another call that one goes on."""
        if self._end != math.inf:
            yield
            return
        self._end = time.monotonic() + longest
        self.restart()
        try:
            yield
        finally:
            self._until = self._end = math.inf

    def restart(self) -> None:
        """Begin anew, for the next mail."""
        if self._end != math.inf:
            self._until = time.monotonic() + self.seconds

    def bound(self, seconds: float | None, *, final: bool = False) -> float | None:
        """Return `seconds`, or less where less is left; raise TimeoutError if nothing is.

        With `final` only the end of the call counts: the dot is written, its answer awaited.
        """
        until = self._end if final else min(self._until, self._end)
        left = until - time.monotonic()
        if left <= 0 or (seconds is not None and seconds <= 0):
            raise TimeoutError("timed out")
        if left == math.inf:
            return seconds
        return left if seconds is None else min(seconds, left)
