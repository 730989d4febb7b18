"""What more workers bring: processes, threads, nodes; near the relay and far from it."""

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

import psutil

from tests.benchmarks.bench import COMMON, MOST, Bench
from tests.benchmarks.delivering import CHUNKING
from tests.benchmarks.figures import Figure, alternate, short, whole_steps
from tests.benchmarks.running import Running, Sink
from tests.benchmarks.systems import Ledger, ours


class Workers(NamedTuple):
    """How many nodes, each with how many children or threads, each with how many connections."""

    nodes: int
    slots: int
    pool: str = "prefork"
    connections: int = 1

    @property
    def number(self) -> int:
        return self.nodes * self.slots


ONE = "1 process"
SETUPS = {
    ONE: Workers(1, 1),
    "2 processes": Workers(1, 2),
    "4 processes": Workers(1, 4),
    "1 process, 8 connections": Workers(1, 1, connections=8),
    "2 nodes of 1 process": Workers(2, 1),
    "2 threads": Workers(1, 2, "threads"),
    "8 threads": Workers(1, 8, "threads"),
    "32 threads": Workers(1, 32, "threads"),
}
LEVELS: dict[str, Ledger] = {"broker alone": None, "ledger": "database"}
PLACES = {"loopback": 0, "20 ms": 20}
COLUMNS = list(itertools.product(LEVELS, PLACES))
HEADINGS = ("workers", *(f"{level}, {place}" for level, place in COLUMNS))


def scaling(bench: Bench) -> Iterator[Figure]:
    """Deliver lists with each kind of workers."""
    for level, place in COLUMNS:
        busy: dict[str, list[float]] = {setup: [] for setup in SETUPS}
        with bench.stage() as stage:
            sink = stage.sink(PLACES[place], *CHUNKING)
            cases = {}
            for setup, workers in SETUPS.items():
                system = ours(connections=workers.connections, ledger=LEVELS[level])
                one = stage.start(system, sink=sink)
                one.hire(workers.slots, pool=workers.pool, nodes=workers.nodes)
                cases[setup] = one
            rates = {}
            for setup, one in cases.items():
                step = 2 * min(one.system.batch, bench.sizes.batch) * SETUPS[setup].number
                first = rate(one, sink, step, [])  # connections are made, classes are loaded
                mails = whole_steps(first, bench.sizes.seconds / 3, step, MOST)
                rates[setup] = partial(rate, one, sink, mails, busy[setup])
            seen = alternate(min(2, bench.sizes.rounds), rates)
        for setup in SETUPS:
            peer = {} if setup == ONE else {"peer": f"mailqueue, {ONE}", "theirs": seen[ONE]}
            name = name_of(setup, level, place)
            yield Figure(name=name, unit="mails/s", ours=seen[setup], **peer)
            yield Figure(name=f"{name}, processors", unit="%", ours=busy[setup])


def name_of(setup: str, level: str, place: str) -> str:
    return f"scaling: {setup}, {level}, {place}"


def rate(one: Running, sink: Sink, mails: int, busy: list[float]) -> float:
    """Return how many mails a second arrive; note how busy the processors were meanwhile."""
    psutil.cpu_percent()
    seconds = one.deliver(sink, "as_list", COMMON, mails)
    busy.append(psutil.cpu_percent())
    return mails / seconds


def is_scaling(figure: Figure) -> bool:
    return figure.name.startswith("scaling: ")


def rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table under `HEADINGS`."""
    known = {figure.name: figure for figure in figures}
    for setup in SETUPS:
        names = [name_of(setup, level, place) for level, place in COLUMNS]
        if all(name in known for name in names):
            yield setup, *(cell(known[name], known[f"{name}, processors"]) for name in names)


def cell(figure: Figure, busy: Figure) -> str:
    """Say how many mails a second it was, how many times as many as of one, and what it cost."""
    times = f" = {short(figure.middle)} x" if figure.theirs else ""
    return f"{short(median(figure.ours))}{times}, {busy.middle:.0f} %"
