"""The couriers of a process: its other threads, each with a connection of its own to the server."""

import threading
from collections import deque
from contextlib import suppress
from typing import Any

from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import Job
from tests.simulation.processes import Killed, Process, Strand


class SimulatedCourier(Strand):
    """A thread that waits for jobs; whether it goes on is the process's say."""

    def __init__(self, among: Any) -> None:
        process = Process.current()
        assert process is not None
        super().__init__()
        self.process, self.jobs = process, deque[Job]()
        self.leaving = False
        self.idle = True
        process.strands.append(self)
        self.thread = threading.Thread(target=self._run, name="simulated-courier", daemon=True)
        self.thread.start()

    def give(self, job: Job) -> None:
        self.jobs.append(job)
        self.process.wake(self)

    def leave(self) -> None:
        self.leaving = True
        self.process.wake(self)

    def _run(self) -> None:
        Process.here.process = self.process
        self.turn.acquire()
        with suppress(Killed):
            while not self.process.dead:
                if self.jobs:
                    self.jobs.popleft()()
                elif self.leaving:
                    connections.close()
                    break
                else:
                    self.idle = True
                    self.process.rest()
        self.process.drop(self)


class Back:
    """What couriers bring back: a queue, at which the task's own thread lets them go on."""

    def __init__(self) -> None:
        process = Process.current()
        assert process is not None
        self.process, self.items = process, deque[Any]()

    def put(self, item: Any) -> None:
        self.items.append(item)
        self.process.wake(self.process.main)

    def get(self) -> Any:
        while not self.items:
            self.process.main.idle = True
            self.process.rest()
        return self.items.popleft()
