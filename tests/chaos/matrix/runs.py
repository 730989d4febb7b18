"""Run cells, a few at once, and say what came of each."""

import dataclasses
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Self

from tests.chaos.matrix import oracle
from tests.chaos.matrix.columns import Servers
from tests.chaos.matrix.rows import Row
from tests.chaos.matrix.strikes import PROCESSES, WORKER_BROKER
from tests.chaos.matrix.systems import BARE, System

AT_ONCE = 7  # they wait more than they work
TIMES = int(os.environ.get("MAILQUEUE_MATRIX_RUNS", "1"))


class Which(NamedTuple):
    """A cell: its row, its column, and whose it is."""

    row: Row
    column: str
    system: System

    def __str__(self) -> str:
        return f"{self.system.name}, {self.column}, {self.row.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a cell.

    - ``windows``: those that second copies fell into.
    - ``unexplained``: mails with a second copy that nothing explains.
    """

    runs: int = 1
    accepted: int
    lost: int
    twice: int  # mails that came again
    windows: frozenset[str] = frozenset()
    unexplained: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()

    def __add__(self, other: Self) -> "Result":
        return Result(
            runs=self.runs + other.runs,
            accepted=self.accepted + other.accepted,
            lost=self.lost + other.lost,
            twice=self.twice + other.twice,
            windows=self.windows | other.windows,
            unexplained=self.unexplained + other.unexplained,
            faults=self.faults + other.faults,
        )


class Runs:
    """Cells that run, or wait for their turn."""

    def __init__(self, servers: Servers, cells: Iterable[Which]) -> None:
        self.servers = servers
        self.pool = ThreadPoolExecutor(AT_ONCE)
        self.begun = {
            str(which): [self.pool.submit(run, servers, which) for _ in range(TIMES)]
            for which in cells
        }

    def result(self, which: Which) -> Result:
        """Wait for what came of a cell, in all its runs."""
        first, *others = [each.result() for each in self.begun[str(which)]]
        return sum(others, first)

    def results(self) -> dict[str, Result]:
        """Return what came of all cells that came to an end."""
        return {
            name: sum((each.result() for each in others), first.result())
            for name, (first, *others) in self.begun.items()
            if all(map(ended, (first, *others)))
        }

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def ended(future: "Future[Result]") -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def run(servers: Servers, which: Which) -> Result:
    """Run one cell."""
    row, column, system = which
    with servers.cell(row, column, system) as cell:
        cell.clock, cell.late = row.clock, row.late
        if row.link in (PROCESSES, WORKER_BROKER):
            cell.workers, cell.children = 2, 1  # the one has what the other loses
        with cell.running():
            cell.live(row)
            allowed = row.windows.get(system.level, ())
            traces = cell.traces()
            evidence = cell.evidence(doubt=bool(allowed))
        # A machine that has much to do may keep any mail for so long.
        late = ("B4",) if system.level == BARE else ()
        windows = {*traces.windows((*allowed, *late))} if system.ours else set()
        twice = {number for number, _ in oracle.second_copies(evidence)}
        result = Result(
            accepted=sum(1 for told in evidence.told.values() if told == "accepted"),
            lost=len({number for number, _ in oracle.lost(evidence)}),
            twice=len(twice),
            windows=frozenset(window for _, window in windows if window),
            unexplained=tuple({number for (number, _), window in windows if not window}),
            faults=tuple(oracle.faults(evidence)) if system.ours else (),
        )
        print(f"{which}: {result}")
        return result
