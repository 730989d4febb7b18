"""How many schedules are run, and how."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Simulation

RUNS = 120  # in `make test`
STEPS = 12


def run(machine: type[Simulation] = Simulation, **given: Any) -> None:
    """Run schedules, the same each time if they are not drawn from a seed.

    A red one is an error that tells its story.
    """
    how: dict[str, Any] = {
        "max_examples": RUNS,
        "stateful_step_count": STEPS,
        "phases": (Phase.generate, Phase.shrink),
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
    }
    Simulation.stories.clear()
    run_state_machine_as_test(machine, settings=settings(**how | given))
