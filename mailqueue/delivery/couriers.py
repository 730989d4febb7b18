"""Threads that hand over mail, each to open targets of its own, beside the thread of a task.

A courier keeps its targets open between tasks, as that thread does. It ends, and closes them, when
it had nothing to do for as long as a target may be idle.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from django.db import close_old_connections
from django.db import connections as databases

from mailqueue.delivery.connections import MAX_IDLE, connections

FAREWELL = 5.0  # seconds for all to close what they have open, when the process ends

Job = Callable[[], None]


class Courier(Protocol):
    """Who does one job after the other; a job raises nothing."""

    def give(self, job: Job) -> None: ...

    def leave(self) -> None:
        """End after the job in hand."""
        ...


class TasksOwn:
    """The thread that asks for it, at once: where one open target is all there may be."""

    def give(self, job: Job) -> None:
        job()

    def leave(self) -> None:
        pass


class CourierThread:
    """A thread that waits for jobs."""

    def __init__(self, among: "Couriers") -> None:
        self._among = among
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="mailqueue-courier", daemon=True)
        self.thread.start()

    def give(self, job: Job) -> None:
        self._jobs.put(job)

    def leave(self) -> None:
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                job()
                del job  # it holds mail
                close_old_connections()  # of a target that asks the database
        finally:
            connections.close()
            databases.close_all()

    def _next(self) -> Job | None:
        while True:
            try:
                return self._jobs.get(timeout=MAX_IDLE)
            except Empty:
                if self._among.strike(self):
                    return None


class Couriers:
    """Those of this process that have nothing to do, the last one that was busy at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[CourierThread] = []

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return bool(self._free)

    def hire(self, number: int) -> list[Courier]:
        """Return so many, with open targets as far as there are some.

        Where no more threads are to be had it is fewer, or the task's own.
        """
        with self._lock:
            hired: list[Courier] = [self._free.pop() for _ in self._free[:number]]
        with suppress(RuntimeError):
            hired += (CourierThread(self) for _ in range(number - len(hired)))
        return hired or [TasksOwn()]

    def release(self, hired: Sequence[Courier]) -> None:
        """Take back who has nothing to do, in the order of `hire()`."""
        with self._lock:
            self._free += (each for each in reversed(hired) if isinstance(each, CourierThread))

    def strike(self, courier: CourierThread) -> bool:
        """Let one go that was idle for long, unless it was hired just now."""
        with self._lock:
            if courier not in self._free:
                return False
            self._free.remove(courier)
            return True

    def dismiss(self) -> None:
        """Let all go that have nothing to do, and wait until they have closed their targets."""
        with self._lock:
            leaving, self._free = self._free, []
        for courier in leaving:
            courier.leave()
        ends = time.monotonic() + FAREWELL
        for courier in leaving:
            courier.thread.join(max(0.0, ends - time.monotonic()))

    def forget(self) -> None:
        """Begin anew in a forked process, which has none of these threads."""
        self.__init__()  # type: ignore[misc]


couriers = Couriers()
os.register_at_fork(after_in_child=lambda: couriers.forget())
