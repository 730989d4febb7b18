"""Measure how fast mailqueue is, and other packages beside it; `make bench` runs this."""

import argparse
import dataclasses
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import django
from rich.console import Console
from rich.table import Table

from tests.benchmarks import about, page
from tests.benchmarks.bench import QUICK, WHOLE, Bench, Sizes
from tests.benchmarks.delivering import distance, full_queue, lists, one_by_one
from tests.benchmarks.figures import Figure
from tests.benchmarks.footprint import footprint
from tests.benchmarks.goals import GOALS, Goal, Verdict, verdict
from tests.benchmarks.queueing import render, send_mail, send_messages
from tests.benchmarks.rows import rows
from tests.benchmarks.running import services
from tests.benchmarks.scaling import scaling
from tests.environments import ROOT

PARTS = {
    part.__name__: part
    for part in (
        render,
        send_mail,
        send_messages,
        lists,
        one_by_one,
        distance,
        full_queue,
        scaling,
        rows,
        footprint,
    )
}


def main() -> int:
    """Return 0 if each goal is reached or has its reason, else 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; or all")
    parser.add_argument("--quick", action="store_true", help="try it: the figures mean nothing")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"expected of {', '.join(PARTS)}, got {', '.join(unknown)}")
    console = Console(width=None if sys.stdout.isatty() else 180)
    sizes = QUICK if given.quick else WHOLE
    facts = about.machine()
    with tempfile.TemporaryDirectory(prefix="mailqueue-bench-") as folder:
        figures = list(measured(given.parts or list(PARTS), sizes, Path(folder), facts, console))
    console.print(table(figures))
    if not given.parts:
        place = ROOT / ("build/bench" if given.quick else "docs/explanation")
        page.write(place, figures, dataclasses.asdict(sizes), facts)
        console.print(f"{place}/performance.md")
    judged = judge(figures, GOALS, whole=not given.parts, quick=given.quick)
    for line in judged:
        console.print(line, highlight=False)
    return 1 if judged else 0


def measured(
    parts: Sequence[str], sizes: Sizes, folder: Path, facts: about.Rows, console: Console
) -> Iterator[Figure]:
    """Yield the figures of these parts; add to the facts what they were measured with."""
    began = time.monotonic()
    with services(folder) as running:
        facts += about.servers(running)
        facts += about.environments()
        for part in parts:
            console.print(f"{time.monotonic() - began:5.0f} s  {part}")
            yield from PARTS[part](Bench(running, folder, sizes))
        console.print(f"{time.monotonic() - began:5.0f} s  done")


def table(figures: Sequence[Figure]) -> Table:
    made = Table(*page.HEADINGS)
    for figure in figures:
        made.add_row(*page.cells(figure))
    return made


def judge(
    figures: Sequence[Figure], goals: Sequence[Goal], *, whole: bool, quick: bool
) -> list[str]:
    """Return a line for each goal that fails the run.

    Those that were not measured do so in a whole run. Of a quick run nothing else is judged.
    """
    failing = {Verdict.NOT_MEASURED} if whole else set()
    failing |= set() if quick else {Verdict.MISSED}
    judged = [(goal, verdict(goal, figures)) for goal in goals]
    return [f"{goal.figure}: {given}" for goal, given in judged if given in failing]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever runs is ended, too
    sys.exit(main())
