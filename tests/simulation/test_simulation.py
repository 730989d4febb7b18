"""The real code through schedules and faults, and what must be so after each of them."""

import re
from pathlib import Path

import pytest
from hypothesis import Phase

from tests.simulation.machine import Simulation
from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import Fate, Plan
from tests.simulation.running import SEEDS, run
from tests.simulation.windows import Window

# Which of the seeds find a fault, as far as it is not the first: they are tried first.
SOONEST = {"expires": 2, "dropped": 4, "paused": 2, "rollback": 3, "one connection": 1}
SOONEST |= {"charged": 1, "last ring": 1, "late": 1}

GUARANTEES = Path("docs/explanation/guarantees.md").read_text()


def test_each_mail_arrives_or_dies_and_a_second_copy_has_a_reason(simulated):
    run()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_that_is_put_back_is_found_by_the_same_runs(simulated, name):
    seeds = sorted(SEEDS, key=lambda seed: seed != SOONEST.get(name, 0))
    with MUTANTS[name](), pytest.raises(AssertionError, match="The story:") as found:
        run(seeds, phases=(Phase.generate,))
    print(f"{name}: found in run {len(Simulation.stories)}\n{found.value}")


def test_the_same_seed_tells_the_same_story(simulated):
    run(seeds=[1], max_examples=5)
    stories = list(Simulation.stories)
    run(seeds=[1], max_examples=5)
    assert Simulation.stories == stories
    assert len(set(map(tuple, stories))) > len(stories) / 2


@pytest.mark.parametrize("window", Window)
def test_what_allows_a_second_copy_is_named_in_the_docs(window):
    assert window in re.sub(r"\s+", " ", GUARANTEES)


def test_who_lost_the_database_hears_that_a_mailer_is_resumed(simulated):
    """It kept the broken connection, and so took the mailer for paused for ever."""
    run = Simulation()
    run.begin(plan=Plan(ledger=False))
    run.order()
    run.go_together(1.0)
    run.send([Fate()], None, (None,))
    run.go_together(10.0)
    run.loses("before SELECT", 1)
    run.go_together(100.0)
    assert any("Nobody can be asked" in line for line in run.world.story)
    run.teardown()
