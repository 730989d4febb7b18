"""How many schedules are run, and how."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Simulation

# In `make test` 120 schedules. Hypothesis changes what it has drawn, a little each time, once it
# has run ten: of 101 in a row there were 25 kinds of projects.
SEEDS = range(12)
EACH = 10
STEPS = 12


def run(seeds: Iterable[int] = SEEDS, **given: Any) -> None:
    """Run schedules, the same each time for the same seeds.

    A red one is an error that tells its story.
    """
    how: dict[str, Any] = {
        "max_examples": EACH,
        "stateful_step_count": STEPS,
        "phases": (Phase.generate, Phase.shrink),
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
    }
    Simulation.stories.clear()
    for each in seeds:
        machine = type("Simulation", (Simulation,), {})
        run_state_machine_as_test(seed(each)(machine), settings=settings(**how | given))
