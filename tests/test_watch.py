"""What takes too long ends, in any thread, and what comes after it does not."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailqueue import watch
from mailqueue.errors import TookTooLong
from mailqueue.watch import bounded
from tests.fork import holds_in_child


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watch, "TICK", 0.001)


def busy(seconds=60.0):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return "done"


def stubborn():
    try:
        busy()
    except BaseException:  # noqa: BLE001 (as some code does)
        busy()


def test_what_is_done_in_time_is_returned():
    assert bounded(10, lambda: "done") == "done"


def test_what_it_raises_is_raised():
    with pytest.raises(LookupError):
        bounded(10, lambda: {}["gone"])


@pytest.mark.parametrize("work", [busy, stubborn])
def test_what_takes_too_long_ends(work):
    with pytest.raises(TookTooLong, match=r"0\.05 s of processor time"):
        bounded(0.05, work)


def test_who_waits_takes_no_time_of_the_processor():
    waits = threading.Event()
    assert bounded(0.05, lambda: waits.wait(0.3)) is False


def test_each_thread_has_its_own_time():
    def run(seconds):
        try:
            return bounded(0.05, lambda: busy(seconds))
        except TookTooLong:
            return "over"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, [0.001, 60, 0.001, 60])) == ["done", "over", "done", "over"]


def test_where_no_thread_can_be_started_the_work_is_done(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(watch, "_watcher", watch._Watcher())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert bounded(10, lambda: "done") == "done"
    with pytest.raises(TookTooLong):  # the next to begin has one
        bounded(0.05, busy)


def test_where_threads_are_greenlets_nothing_is_watched(monkeypatch):
    """Their idents are those of no thread, and its clock is not to be asked for."""
    monkeypatch.setattr(threading, "get_ident", lambda: 7)
    assert bounded(0, lambda: len(watch._watcher.works)) == 0


def test_a_forked_process_has_a_watch_of_its_own():
    bounded(10, lambda: None)  # the parent's runs

    def ends():
        with pytest.raises(TookTooLong):
            bounded(0.05, busy)
        return True

    assert holds_in_child(ends)


def test_nothing_is_raised_behind_work_that_ends_just_in_time():
    """Its end and the end of its time, which counts from a first look, come together often."""
    ended = over = 0
    limit = 0.008
    for number in range(250):
        try:
            bounded(limit, lambda number=number: busy(limit * (1 + number % 9 * 0.15)))
            ended += 1
        except TookTooLong:
            over += 1
        os.getpid()
    assert ended > 20
    assert over > 20


class AlarmError(Exception):
    pass


def raise_over(*_):
    raise AlarmError


def again_and_again(seconds):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    while True:
        bounded(20, lambda: None)


def test_a_time_limit_of_somebody_else_leaves_nothing_to_be_watched():
    """As Celery's soft one: its signal raises wherever the thread is just then."""

    def interrupted():
        for number in range(400):
            with pytest.raises(AlarmError):
                again_and_again(0.0005 * (number % 7 + 1))
        return len(watch._watcher.works)

    before = signal.signal(signal.SIGALRM, raise_over)
    try:
        # Inside of work that is watched, so that no thread is just being started.
        assert bounded(60, interrupted) == 1
    finally:
        signal.signal(signal.SIGALRM, before)
