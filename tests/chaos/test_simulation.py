"""Schedules of chance, for the simulation that `make test` runs with those it knows."""

import os

from tests.chaos.seeds import chance
from tests.simulation.conftest import simulated, simulated_database  # noqa: F401 (fixtures)
from tests.simulation.running import EACH, run

RUNS = int(os.environ.get("MAILQUEUE_SIMULATIONS", "1000"))


def test_each_mail_arrives_or_dies_on_schedules_of_chance(simulated: None) -> None:  # noqa: F811
    chosen = chance("simulation")
    run(seeds=[chosen.randrange(2**32) for _ in range(0, RUNS, EACH)])
