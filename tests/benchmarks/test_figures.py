"""The arithmetic of the benchmarks."""

import pytest

from tests.benchmarks.figures import Figure, alternate, percentile, whole_steps


def test_a_ratio_is_that_of_a_round() -> None:
    figure = Figure(name="x", unit="ms", ours=(1, 10, 6), peer="peer", theirs=(2, 10, 3))
    assert figure.values == [0.5, 1, 2]
    assert figure.middle == 1
    assert figure.spread == (0.5, 2)


def test_what_is_compared_with_nothing_stands_for_itself() -> None:
    figure = Figure(name="x", unit="ms", ours=(3, 1, 2))
    assert figure.middle == 2
    assert figure.spread == (1, 3)


def test_rounds_that_do_not_match_are_an_error() -> None:
    figure = Figure(name="x", unit="ms", ours=(1, 2), peer="peer", theirs=(1,))
    with pytest.raises(ValueError, match="shorter"):
        _ = figure.middle


def test_each_case_has_a_turn_in_each_round() -> None:
    turns: list[str] = []

    def case(name: str) -> float:
        turns.append(name)
        return len(turns)

    seen = alternate(9, {name: lambda name=name: case(name) for name in "abc"})
    rounds = ["".join(turns[at : at + 3]) for at in range(0, 27, 3)]
    assert {"".join(sorted(each)) for each in rounds} == {"abc"}
    assert len(set(rounds)) > 1
    assert [turns[int(at) - 1] for at in seen["b"]] == ["b"] * 9


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [(range(1, 101), 99, 99), (range(1, 101), 100, 100), ([5, 1], 50, 1), ([7], 99, 7)],
)
def test_percentile(values: range, percent: float, expected: int) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(
    ("rate", "most", "expected"),
    [(100, 10_000, 400), (1, 10_000, 200), (10**6, 10_000, 10_000), (100, 100, 200)],
)
def test_a_measurement_is_of_whole_steps(rate: float, most: int, expected: int) -> None:
    assert whole_steps(rate, seconds=3, step=200, most=most) == expected
