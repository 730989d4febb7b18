"""What was measured: rounds in turn, ratios round by round, their median and spread."""

import dataclasses
import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """How we compare with another system, or, if there is none, what we need; a value a round.

    Of the unit "mails/s" more is better, of the others less.
    """

    name: str
    unit: Literal["mails/s", "ms", "MB", "%"]
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()

    @property
    def values(self) -> list[float]:
        """Ours by theirs, of the same round; or ours."""
        if not self.theirs:
            return list(self.ours)
        return [one / other for one, other in zip(self.ours, self.theirs, strict=True)]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    @property
    def more_is_better(self) -> bool:
        return self.unit == "mails/s"


def alternate(
    rounds: int, cases: Mapping[str, Callable[[], float]]
) -> dict[str, tuple[float, ...]]:
    """Measure each case once a round, in an order that differs from round to round."""
    values: dict[str, list[float]] = {name: [] for name in cases}
    order, shuffled = list(cases), random.Random(1)
    for _ in range(rounds):
        shuffled.shuffle(order)
        for name in order:
            values[name].append(cases[name]())
    return {name: tuple(each) for name, each in values.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this percentage of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def whole_steps(rate: float, seconds: float, step: int, most: int) -> int:
    """Return how many mails take this long, in steps: at least one, at most `most` mails."""
    steps = math.ceil(rate * seconds / step)
    return step * max(1, min(steps, most // step))


def short(value: float) -> str:
    """Write three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
