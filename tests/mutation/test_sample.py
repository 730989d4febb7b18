"""The sample of mutants: the same each time, and counted honestly."""

from tests.mutation.sample import PARTS, counted, drawn

NAMES = [f"mailqueue.{part}.x_f__mutmut_{n}" for part in PARTS for n in range(30)]


def test_a_larger_sample_has_those_of_a_smaller_one_in_it() -> None:
    few, more = drawn(reversed(NAMES), 5), drawn(NAMES, 20)
    assert {part: names[:5] for part, names in more.items()} == few
    assert all(len(set(names)) == 20 for names in more.values())


def test_what_no_test_runs_is_not_noticed() -> None:
    known = {"a": "killed", "b": "timeout", "c": "survived", "d": "no tests", "e": "killed"}
    assert counted({"outcome": known}, known)[2] == "| outcome | 5 | 3 | 1 | 1 |"
