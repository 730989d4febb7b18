"""Whether the ledger costs more when its table is large."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, alternate
from tests.benchmarks.filling import filling
from tests.benchmarks.running import Running
from tests.benchmarks.systems import ours
from tests.ledger.databases import run_on

STEPS = ("record", "claim", "finish", "status")


def rows(bench: Bench) -> Iterator[Figure]:
    """Measure the steps of ten mails in a table with few mails and in one with many."""
    took: dict[str, list[dict[str, float]]] = {"few": [], "many": []}

    def steps(name: str, one: Running) -> float:
        took[name].append(one.ask("ledger_steps", number=bench.sizes.calls // 10))
        return 0.0

    with bench.stage() as stage:
        cases = {}
        for name, number in (("few", bench.sizes.few), ("many", bench.sizes.rows)):
            one = stage.start(ours(ledger="database"))
            for statement in (*filling(number), "VACUUM ANALYZE"):
                run_on("postgresql", one.place.databases["default"], statement)
            cases[name] = partial(steps, name, one)
        alternate(1, cases)
        took["few"].clear()
        took["many"].clear()
        alternate(bench.sizes.rounds, cases)
    for step in STEPS:
        yield Figure(
            name=f"a million rows: {step}",
            unit="ms",
            ours=[1000 * each[step] for each in took["many"]],
            peer=f"mailqueue, {bench.sizes.few:,} rows",
            theirs=[1000 * each[step] for each in took["few"]],
        )
