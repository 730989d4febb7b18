"""As many connections as keep a process from waiting, and no more than the target gives."""

from typing import Any

import pytest

from mailqueue.delivery import pace as module
from mailqueue.delivery.pace import HELD, Pace


def test_nothing_is_known_at_first() -> None:
    assert Pace().number(100, most=10) == 1


@pytest.mark.parametrize(("seconds", "useful"), [(1.0, 1), (2.0, 2), (10.0, 10), (80.0, 80)])
def test_who_waits_most_of_the_time_can_use_as_many(seconds: float, useful: int) -> None:
    pace = Pace()
    pace.note(1, seconds=seconds, computed=1.0)
    assert pace.useful == useful
    assert pace.number(100, most=10) == min(useful, 10)


def test_no_more_than_mails() -> None:
    pace = Pace(useful=10)
    assert pace.number(3, most=10) == 3
    assert pace.number(0, most=10) == 1


def test_where_it_computes_all_the_time_half_is_tried() -> None:
    pace = Pace(useful=10)
    for expected in (5, 2, 1, 1):
        pace.note(pace.number(100, most=10), seconds=1.1, computed=1.0)
        assert pace.useful == expected


def test_in_between_nothing_changes() -> None:
    pace = Pace(useful=7)
    pace.note(7, seconds=2.0, computed=1.0)
    assert pace.useful == 7


def test_time_that_no_processor_was_needed_for_is_no_error() -> None:
    pace = Pace()
    pace.note(1, seconds=1.0, computed=0.0)
    assert pace.number(100, most=10) == 10


def test_more_than_a_target_gave_is_not_asked_for_a_while(monkeypatch: Any) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    pace = Pace(useful=10)
    pace.refused(3)
    assert pace.number(100, most=10) == 3
    now[0] += HELD
    assert pace.number(100, most=10) == 10
