"""Ask what may never answer, and wait no longer than so many seconds."""

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

MOST = 3  # threads of one name that may be left alone at once; each has, perhaps, a connection

_left: defaultdict[str, list[threading.Thread]] = defaultdict(list)


class Unanswered(Exception):  # noqa: N818 (it says what became of a question)
    """There was no answer in time."""


def within(seconds: float, ask: Callable[[], T], *, name: str) -> T:
    """Return what ``ask()`` does, called on a thread of its own.

    Raises `Unanswered` when the time is over, and what ``ask()`` raises. A thread that is late is
    left alone; while `MOST` of a name are, nothing is asked under it.
    """
    _left[name] = [thread for thread in _left[name] if thread.is_alive()]
    if len(_left[name]) >= MOST:
        raise Unanswered(name)
    answer: Future[T] = Future()
    called = f"mailqueue-{name}"
    thread = threading.Thread(target=_run, args=(ask, answer), name=called, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer.done():
        _left[name].append(thread)
        raise Unanswered(name)
    return answer.result()


def _run(ask: Callable[[], T], answer: Future[T]) -> None:
    try:
        found = ask()
    except BaseException as error:  # noqa: BLE001 (it is raised where the answer is waited for)
        connections.close_all()
        answer.set_exception(error)
    else:
        connections.close_all()
        answer.set_result(found)
