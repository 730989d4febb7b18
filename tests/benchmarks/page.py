"""The page about a run: what was measured, on what, and which goals were reached."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks import scaling
from tests.benchmarks.figures import Figure, short
from tests.benchmarks.goals import GOALS, Goal, Verdict, goal_of, verdict
from tests.benchmarks.plot import plot

HEADINGS = ("figure", "mailqueue", "compared with", "", "ratio (spread)", "goal", "")
TEMPLATE = Path(__file__).with_name("performance.md.in")


def cells(figure: Figure, goals: Sequence[Goal] = GOALS) -> tuple[str, ...]:
    """Return the cells of a figure's row, as in `HEADINGS`."""
    low, high = figure.spread
    values = f"{short(figure.middle)} ({short(low)} to {short(high)})"
    if figure.theirs:
        both = figure.ours, figure.theirs
        mine, theirs = (f"{short(median(each))} {figure.unit}" for each in both)
        compared = mine, figure.peer, theirs, values
    else:
        compared = f"{values} {figure.unit}", "", "", ""
    if (goal := goal_of(figure, goals)) is None:
        return figure.name, *compared, "", ""
    return figure.name, *compared, f"{goal.way} {goal.bound:g}", verdict(goal, [figure])


def markdown(rows: Iterable[Sequence[str]], headings: Sequence[str]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def compared(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures but for those that have a table of their own."""
    return [figure for figure in figures if not scaling.is_scaling(figure)]


def missed(figures: Sequence[Figure], goals: Sequence[Goal]) -> str:
    """Return a line for each goal that is not reached, with its reason."""
    judged = [(goal, verdict(goal, figures)) for goal in goals]
    lines = [
        f"- {goal.figure}, {goal.way} {goal.bound:g}: {goal.why_not or given}\n"
        for goal, given in judged
        if given is not Verdict.MET
    ]
    return "".join(lines) or "None.\n"


def page(
    figures: Sequence[Figure],
    sizes: Mapping[str, float],
    about: Iterable[tuple[str, str]],
    goals: Sequence[Goal] = GOALS,
) -> str:
    """Return the page as Markdown."""
    return TEMPLATE.read_text().format(
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        figures=markdown((cells(figure, goals) for figure in compared(figures)), HEADINGS),
        scaling=markdown(scaling.rows(figures), scaling.HEADINGS),
        missed=missed(figures, goals),
        about=markdown(about, ("part", "version")).rstrip(),
        **sizes,
    )


def write(
    folder: Path,
    figures: Sequence[Figure],
    sizes: Mapping[str, float],
    about: Iterable[tuple[str, str]],
) -> None:
    """Write `performance.md` and `performance.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance.md").write_text(page(figures, sizes, about))
    (folder / "performance.svg").write_text(plot(compared(figures)))
