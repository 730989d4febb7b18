"""Run cells, a few at once, and say what came of each."""

import dataclasses
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Self

from tests.chaos.matrix import oracle, rows
from tests.chaos.matrix.columns import Servers
from tests.chaos.matrix.rows import Row
from tests.chaos.matrix.systems import System

AT_ONCE = 5  # they wait more than they work
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
    """What came of a cell; `window` is the one that all second copies fell into."""

    runs: int = 1
    accepted: int
    lost: int
    twice: int  # mails that came again
    window: str = ""
    faults: tuple[str, ...] = ()

    def __add__(self, other: Self) -> "Result":
        unaccounted = any(each.twice and not each.window for each in (self, other))
        return Result(
            runs=self.runs + other.runs,
            accepted=self.accepted + other.accepted,
            lost=self.lost + other.lost,
            twice=self.twice + other.twice,
            window="" if unaccounted else self.window or other.window,
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
        if row.link in (rows.PROCESSES, rows.WORKER_BROKER):
            cell.workers, cell.children = 2, 1  # the one has what the other loses
        with cell.running():
            cell.live(row)
            window, most = row.windows.get(system.level, ("", 0))
            evidence = cell.evidence(doubt=bool(window))
        twice = {number for number, _ in oracle.second_copies(evidence)}
        result = Result(
            accepted=sum(1 for told in evidence.told.values() if told == "accepted"),
            lost=len({number for number, _ in oracle.lost(evidence)}),
            twice=len(twice),
            window=window if 0 < len(twice) <= most else "",
            faults=tuple(oracle.faults(evidence)) if system.ours else (),
        )
        print(f"{which}: {result}")
        return result
