"""Wait for what shall come true."""

import time
from collections.abc import Callable


def until(what: Callable[[], object], timeout: float = 60, *, pause: float = 0.05) -> None:
    """Wait until something is true."""
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(pause)
