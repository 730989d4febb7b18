"""Questions that may never be answered."""

import threading

import pytest

from mailqueue import bounded
from mailqueue.bounded import Unanswered, within


def test_an_answer_and_an_error_come_through():
    assert within(30, lambda: 7, name="a") == 7
    with pytest.raises(KeyError):
        within(30, lambda: {}["x"], name="a")
    with pytest.raises(TimeoutError):
        within(30, timeout, name="a")


def timeout():
    raise TimeoutError


def test_what_hangs_is_left_alone_and_not_asked_for_ever():
    released = threading.Event()
    asked = []

    def hang():
        asked.append(1)
        released.wait(60)

    for _ in range(bounded.MOST + 2):
        with pytest.raises(Unanswered):
            within(0.01, hang, name="hanging")
    assert len(asked) == bounded.MOST
    assert within(30, lambda: 7, name="another") == 7
    released.set()
    for thread in bounded._left["hanging"]:
        thread.join(60)
    assert within(30, lambda: 7, name="hanging") == 7
