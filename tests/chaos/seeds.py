"""Chance that can be had again: each fuzzer prints its seed, and takes one from the environment."""

import os
import random

VARIABLE = "MAILQUEUE_CHAOS_SEED"


def chance(name: str) -> random.Random:
    """Return the randomness of one fuzzer, and print what brings the same again."""
    seed = os.environ.get(VARIABLE) or str(random.SystemRandom().randrange(10**9))
    print(f"\n{name}: {VARIABLE}={seed}")
    return random.Random(f"{name} {seed}")
