"""A plot of the comparisons as SVG: how many times better than the other system, on a log scale."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from tests.benchmarks.figures import Figure
from tests.benchmarks.goals import GOALS, Goal, Verdict, goal_of, verdict

LEFT, RIGHT, ROW, TOP = 380, 480, 22, 40
COLORS = {Verdict.MET: "#2a7d2e", Verdict.MISSED: "#c0392b", Verdict.KNOWN: "#c0392b"}
NO_GOAL = "#666666"


def times_better(figure: Figure, ratio: float) -> float:
    """Return how many times better we are: 2 if twice as fast, 0.5 if it takes us twice as long."""
    return ratio if figure.more_is_better else 1 / ratio


def plot(figures: Sequence[Figure], goals: Sequence[Goal] = GOALS) -> str:
    """Draw each figure that has a peer: its median, its spread and its goal."""
    compared = [figure for figure in figures if figure.theirs]
    shown = [times_better(each, value) for each in compared for value in each.values]
    for each in compared:
        if goal := goal_of(each, goals):
            shown.append(times_better(each, goal.bound))
    low = math.floor(math.log10(min([*shown, 1]))) if shown else 0
    high = max(low + 1, math.ceil(math.log10(max([*shown, 1]))) if shown else 1)

    def place(value: float) -> float:
        return round(LEFT + RIGHT * (math.log10(value) - low) / (high - low), 1)

    bottom = TOP + ROW * len(compared)
    size = f"{LEFT + RIGHT + 30} {bottom + 10}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif"'
        ' font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="16">times better than the other system (line at 1: equal);'
        f' <tspan fill="{COLORS[Verdict.MET]}">goal reached</tspan>,'
        f' <tspan fill="{COLORS[Verdict.MISSED]}">missed</tspan>; ticks: goals</text>',
    ]
    for power in range(low, high + 1):
        x, width = place(10.0**power), 1.5 if power == 0 else 0.5
        lines.append(f'<path d="M{x} {TOP - 4}V{bottom}" stroke="#999" stroke-width="{width}"/>')
        lines.append(f'<text x="{x}" y="{TOP - 8}" text-anchor="middle">{10.0**power:g}</text>')
    for number, figure in enumerate(compared):
        lines += row(figure, goals, place, TOP + ROW * number + ROW // 2)
    return "\n".join([*lines, "</svg>", ""])


def row(
    figure: Figure, goals: Sequence[Goal], place: Callable[[float], float], y: int
) -> Iterator[str]:
    goal = goal_of(figure, goals)
    color = COLORS[verdict(goal, [figure])] if goal else NO_GOAL
    one, two = (place(times_better(figure, value)) for value in figure.spread)
    middle = place(times_better(figure, figure.middle))
    yield f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(figure.name)}</text>'
    yield f'<path d="M{one} {y}H{two}" stroke="{color}" stroke-width="2"/>'
    yield f'<circle cx="{middle}" cy="{y}" r="4" fill="{color}"/>'
    if goal:
        x = place(times_better(figure, goal.bound))
        yield f'<path d="M{x} {y - 8}V{y + 8}" stroke="black" stroke-width="1.5"/>'
