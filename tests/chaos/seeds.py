"""Chance that can be had again: each fuzzer prints its seed, and takes one from the environment.

With the same seed and more time a fuzzer does the same, and goes on.
"""

import itertools
import os
import random
import time
from collections.abc import Iterator

VARIABLE = "MAILQUEUE_CHAOS_SEED"
SECONDS = float(os.environ.get("MAILQUEUE_CHAOS_SECONDS", "40"))  # that each of them has


def chance(name: str) -> random.Random:
    """Return the randomness of one fuzzer, and print what brings the same again."""
    seed = os.environ.get(VARIABLE) or str(random.SystemRandom().randrange(10**9))
    print(f"\n{name}: {VARIABLE}={seed}")
    return random.Random(f"{name} {seed}")


def rounds() -> Iterator[int]:
    """Count rounds, at least one, until the time of a fuzzer is over."""
    end = time.monotonic() + SECONDS
    for number in itertools.count():
        yield number
        if time.monotonic() > end:
            return
