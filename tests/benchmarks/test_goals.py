"""What a run says of the goals: in words, on the page, and by its exit status."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from tests.benchmarks import page, scaling
from tests.benchmarks.__main__ import judge
from tests.benchmarks.bench import QUICK
from tests.benchmarks.figures import Figure
from tests.benchmarks.goals import GOALS, Goal, Verdict, verdict
from tests.benchmarks.plot import plot, times_better

FAST = Figure(name="list", unit="mails/s", ours=(90, 100, 120), peer="fork", theirs=(10, 10, 10))
SLOW = Figure(name="call", unit="ms", ours=(2, 2, 2), peer="fork", theirs=(1, 1, 1))
ALONE = Figure(name="lone <mail>", unit="ms", ours=(4, 5, 6))
REACHED = Goal("list", "at least", 10)
FALLS_SHORT = Goal("call", "at most", 0.6)
EXCUSED = Goal("call", "at most", 0.6, "A commit is awaited.")


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (REACHED, Verdict.MET),
        (Goal("list", "at least", 10.1), Verdict.MISSED),
        (FALLS_SHORT, Verdict.MISSED),
        (EXCUSED, Verdict.KNOWN),
        (Goal("call", "at most", 2), Verdict.MET),
        (Goal("lone <mail>", "at most", 5), Verdict.MET),
        (Goal("something else", "at least", 1, "why"), Verdict.NOT_MEASURED),
    ],
)
def test_the_median_reaches_a_goal_or_does_not(goal: Goal, expected: Verdict) -> None:
    assert verdict(goal, [FAST, SLOW, ALONE]) is expected


@pytest.mark.parametrize(
    ("goal", "whole", "quick", "fails"),
    [
        (REACHED, True, False, False),
        (FALLS_SHORT, True, False, True),
        (FALLS_SHORT, False, False, True),
        (FALLS_SHORT, True, True, False),
        (EXCUSED, True, False, False),
        (Goal("gone", "at least", 1, "why"), True, False, True),
        (Goal("gone", "at least", 1, "why"), True, True, True),
        (Goal("gone", "at least", 1, "why"), False, False, False),
    ],
)
def test_what_fails_a_run(goal: Goal, whole: bool, quick: bool, fails: bool) -> None:
    lines = judge([FAST, SLOW], [goal], whole=whole, quick=quick)
    assert [line.partition(":")[0] for line in lines] == [goal.figure] * fails


def test_the_page_shows_figures_goals_and_reasons() -> None:
    about = [("processor", "one of 1978")]
    sizes = {
        "rounds": 3,
        "calls": 7,
        "together": 50,
        "seconds": 2,
        "batch": 10,
        "connections": 4,
        "rows": 9,
        "few": 1,
    }
    written = page.page([FAST, SLOW, ALONE], sizes, about, [REACHED, EXCUSED])
    assert "| list | 100 mails/s | fork | 10.0 mails/s | 10.0 (9.00 to 12.0) | at least 10 | met |"
    assert "| call | 2.00 ms | fork | 1.00 ms | 2.00 (2.00 to 2.00) | at most 0.6 |" in written
    assert "| lone <mail> | 5.00 (4.00 to 6.00) ms |  |  |  |  |  |" in written
    assert "- call, at most 0.6: A commit is awaited.\n" in written
    assert "- list" not in written
    assert "| processor | one of 1978 |" in written
    assert not re.search(r"[{}]", written)
    assert "None.\n" in page.page([FAST], sizes, about, [REACHED])


def test_more_workers_have_a_table_of_their_own() -> None:
    setups = [*scaling.SETUPS]
    figures: list[Figure] = []
    for (level, place), setup in itertools.product(scaling.COLUMNS, setups):
        name, factor = scaling.name_of(setup, level, place), 1 + setups.index(setup)
        peer = {} if setup == scaling.ONE else {"peer": "one", "theirs": (100, 110)}
        rates = (100 * factor, 110 * factor)
        figures.append(Figure(name=name, unit="mails/s", ours=rates, **peer))
        figures.append(Figure(name=f"{name}, processors", unit="%", ours=(40, 60)))
    rows = list(scaling.rows(figures))
    assert [row[0] for row in rows] == setups
    assert rows[0][1:] == ("105, 50 %",) * len(scaling.COLUMNS)
    assert rows[1][1:] == ("210 = 2.00 x, 50 %",) * len(scaling.COLUMNS)
    assert {len(row) for row in rows} == {len(scaling.HEADINGS)}
    assert page.compared([FAST, *figures]) == [FAST]
    assert list(scaling.rows(figures[:-2])) == rows[:-1]


def test_the_sizes_of_a_run_are_those_that_the_page_names() -> None:
    assert set(re.findall(r"{(\w+)[:}]", page.TEMPLATE.read_text())) - {
        "date", "figures", "scaling", "missed", "about",
    } == set(vars(QUICK))  # fmt: skip


def test_the_plot_shows_what_is_compared_and_where_the_goal_is() -> None:
    drawn = ElementTree.fromstring(plot([FAST, SLOW, ALONE], [REACHED, FALLS_SHORT]))
    space = "{http://www.w3.org/2000/svg}"
    middles = {float(each.attrib["cx"]) for each in drawn.iter(f"{space}circle")}
    paths = " ".join(each.attrib["d"] for each in drawn.iter(f"{space}path"))
    # The median of "list" is its goal, 10; "call" is at a half, which is on the other side of 1.
    assert len(middles) == 2
    assert f"M{max(middles)} " in paths
    assert min(middles) < float(re.findall(r"M([\d.]+) ", paths)[1]) < max(middles)
    assert ElementTree.fromstring(plot([])).tag == f"{space}svg"


def test_better_is_more_or_less() -> None:
    assert times_better(FAST, 10) == 10
    assert times_better(SLOW, 2) == 0.5


def test_the_goals_are_one_each() -> None:
    assert len({goal.figure for goal in GOALS}) == len(GOALS)
    assert all(goal.bound > 0 for goal in GOALS)
