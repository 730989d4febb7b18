"""A bound on the processor time of a piece of work, in whichever thread it is done.

Python's parser of headers cannot be asked to stop: what takes it hours would keep a worker for
hours. So one thread of the process looks at the clocks of the others, and raises an exception in
the one whose time is over. Not in gevent and eventlet pools, which have no threads.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from mailqueue.errors import TookTooLong

T = TypeVar("T")

TICK = 0.5  # seconds between two looks
RENDERING = 20.0  # for one message; a mail of 15 MB takes half a second


class _Over(BaseException):
    """Ends the work; no handler of Exception inside it holds that up."""


class _Work:
    """A piece of work; its clock is asked by who looks, since to ask costs a system call."""

    __slots__ = ("ends", "seconds", "thread")

    def __init__(self, seconds: float) -> None:
        self.thread = threading.get_ident()
        self.seconds = seconds
        self.ends: float | None = None  # on the clock of the thread; set at the first look

    def is_over(self) -> bool:
        now = _clock(self.thread)
        if self.ends is None:
            self.ends = now + self.seconds
        return now > self.ends


class _Watcher:
    """The thread that looks, and what it looks at. It ends when there is nothing to look at."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.works: set[_Work] = set()
        self.looking = False

    def begin(self, work: _Work) -> None:
        with self.lock:
            self.works.add(work)
            if not self.looking:
                with suppress(RuntimeError):  # too many threads: who begins next tries again
                    threading.Thread(target=self.look, name="mailqueue-watch", daemon=True).start()
                    self.looking = True

    def end(self, work: _Work) -> None:
        while True:
            try:
                with self.lock:
                    self.works.discard(work)
                return  # nothing is raised any more
            except _Over:  # it was on its way
                continue

    def look(self) -> None:
        while True:
            time.sleep(TICK)
            with self.lock:
                if not self.works:
                    self.looking = False
                    return
                for work in self.works:
                    if work.is_over():
                        _raise_in(work.thread)  # and at the next look again, if it was swallowed

    def forget(self) -> None:
        """Begin anew in a forked process, which has not this thread."""
        self.__init__()  # type: ignore[misc]


_watcher = _Watcher()
os.register_at_fork(after_in_child=lambda: _watcher.forget())


def bounded(seconds: float, work: Callable[[], T]) -> T:
    """Do the work; raise `TookTooLong` once it has had that much processor time, or soon after."""
    if threading.get_ident.__module__ != "_thread":  # that of gevent or eventlet is in its place
        return work()
    watched = _Work(seconds)
    try:
        try:
            try:
                _watcher.begin(watched)
                return work()
            finally:
                _watcher.end(watched)
        finally:  # a signal, as of a soft time limit, may have ended the first
            _watcher.end(watched)
    except _Over:
        _watcher.end(watched)
        raise TookTooLong(f"it took more than {seconds:g} s of processor time") from None


def _clock(thread: int) -> float:
    """Return the processor time of a thread; where there is no such clock, the time."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def _raise_in(thread: int) -> None:
    import ctypes  # hardly ever needed, and slow to import

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Over))
