"""Threads with open targets of their own: as many as are of use, for as long as they are."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections as databases
from django.test import override_settings

from mailqueue.delivery import couriers as module
from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import Couriers, CourierThread
from tests.delivery.test_connections import Target
from tests.fork import holds_in_child


class Watched(Couriers):
    """Knows all whom it hired out."""

    def __init__(self) -> None:
        super().__init__()
        self.hired: set[Any] = set()

    def hire(self, number: int) -> list[Any]:
        found = super().hire(number)
        self.hired.update(found)
        return found


@pytest.fixture
def couriers() -> Iterator[Couriers]:
    made = Watched()
    Target.log = []
    with override_settings(MAILERS={"target": {"BACKEND": f"{Target.__module__}.Target"}}):
        yield made
        for each in made.hired:
            each.leave()
            if isinstance(each, CourierThread):
                each.thread.join(30)


def does(courier: CourierThread, job: Any) -> Any:
    """Have it do something; return what that returns."""
    found: list[Any] = []
    done = threading.Event()

    def note() -> None:
        found.append(job())
        done.set()

    courier.give(note)
    assert done.wait(30)
    return found[0]


def use() -> Any:
    with connections.use("target") as target:
        return target


def test_each_keeps_a_target_of_its_own(couriers: Couriers) -> None:
    one, two = couriers.hire(2)
    first = does(one, use)
    assert does(two, use) is not first
    assert does(one, use) is first
    assert Target.log == ["open", "open"]


def test_who_was_busy_last_is_hired_first(couriers: Couriers) -> None:
    one, two, three = couriers.hire(3)
    couriers.release([one, two, three])
    assert couriers.hire(1) == [one]
    couriers.release([one])
    assert couriers.hire(4)[:3] == [one, two, three]


def test_the_process_ends_and_all_close_their_targets(couriers: Couriers) -> None:
    hired = couriers.hire(3)
    for each in hired:
        does(each, use)
    couriers.release(hired)
    couriers.dismiss()
    assert Target.log == ["open"] * 3 + ["close"] * 3
    assert not any(each.thread.is_alive() for each in hired)
    assert not couriers.some


def test_one_that_hangs_keeps_no_process_from_ending(
    couriers: Couriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAREWELL", 0.1)
    [one] = couriers.hire(1)
    hangs = threading.Event()
    one.give(hangs.wait)  # type: ignore[arg-type]
    couriers.release([one])
    couriers.dismiss()
    assert one.thread.is_alive()
    assert one.thread.daemon
    hangs.set()
    one.thread.join(30)
    assert not one.thread.is_alive()


def test_the_idle_close_their_targets_and_end(
    couriers: Couriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_IDLE", 0.01)
    idle, busy = couriers.hire(2)
    for each in (idle, busy):
        does(each, use)
    couriers.release([idle])
    idle.thread.join(30)
    assert not idle.thread.is_alive()
    assert Target.log == ["open", "open", "close"]
    assert does(busy, use)  # it was hired, and given nothing for longer than that


def test_who_is_to_leave_ends_after_the_job_in_hand(couriers: Couriers) -> None:
    [one] = couriers.hire(1)
    goes_on = threading.Event()

    def job() -> None:
        assert goes_on.wait(30)
        use()

    one.give(job)
    one.leave()
    goes_on.set()
    one.thread.join(30)
    assert Target.log == ["open", "close"]


def test_no_connection_to_the_database_is_left_behind(couriers: Couriers) -> None:
    """As between two requests: Django closes what is older than CONN_MAX_AGE; at the end, all."""
    seen: list[str] = []

    def ask() -> None:
        database: Any = databases["default"]
        database.close_if_unusable_or_obsolete = lambda: seen.append("old")
        database.close = lambda: seen.append("all")

    [one] = couriers.hire(1)
    does(one, ask)
    does(one, lambda: None)
    couriers.release([one])
    couriers.dismiss()
    assert seen == ["old", "old", "all"]


def test_where_no_thread_is_to_be_had_the_task_does_it(
    couriers: Couriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = couriers.hire(1)
    couriers.release([one])

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    assert couriers.hire(3) == [one]
    [own] = couriers.hire(3)
    threads: list[threading.Thread] = []
    own.give(lambda: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]
    couriers.release([own, one])
    assert couriers.hire(1) == [one]
    couriers.release([one])


def test_a_forked_child_begins_with_none() -> None:
    mine = module.couriers.hire(2)
    module.couriers.release(mine)

    def child() -> bool:
        [one] = module.couriers.hire(1)
        return one not in mine and does(one, lambda: threading.active_count()) == 2

    assert holds_in_child(child)
    assert module.couriers.hire(2) == mine
    module.couriers.release(mine)
    module.couriers.dismiss()
