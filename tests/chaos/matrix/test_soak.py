"""Thousands of mails through four workers, while workers, broker and database are killed."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil
import pytest
import redis

from tests.chaos.matrix import oracle
from tests.chaos.matrix.beside import repeatedly
from tests.chaos.matrix.cell import Cell
from tests.chaos.matrix.servers import postgres, redis_server
from tests.chaos.matrix.systems import LEDGER, mailqueue

MAILS = int(os.environ.get("MAILQUEUE_SOAK", "20000"))
A_SECOND = 80  # mails that are sent
EVERY = 3.0  # seconds between two faults
FAULTS = ("kill", "kill", "kill", "end", "broker", "database")
MOST_RINGS = 500
GROWS = 1.1  # times; what a worker may need at the end of what it needed before


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    with redis_server(tmp_path) as broker, postgres() as database:
        folder = tmp_path / "cell"
        folder.mkdir()
        cell = Cell(mailqueue(LEDGER), folder, broker, database)
        cell.mails, cell.seconds, cell.keeps = MAILS, MAILS / A_SECOND, False
        cell.workers, cell.children = 4, 1
        with cell.running():
            yield cell


class Samples:
    """What is looked at all the time: the memory of one worker, the rings on the broker."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.megabytes: list[float] = []
        self.rings: list[int] = []

    def take(self) -> None:
        with suppress(psutil.NoSuchProcess):  # a child has just ended
            main = psutil.Process(self.cell.project.workers[0].popen.pid)
            each = [main, *main.children()]
            self.megabytes.append(sum(process.memory_info().rss for process in each) / 2**20)
        with suppress(redis.RedisError):  # it is being killed
            self.rings.append(self.cell.broker.waiting(self.cell.queue))

    def growth(self) -> float:
        """Return what the last quarter needs of what the second one did."""
        quarter = len(self.megabytes) // 4
        return median(self.megabytes[-quarter:]) / median(self.megabytes[quarter : 2 * quarter])


def test_the_count_is_exact_whatever_is_killed(cell: Cell) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    samples = Samples(cell)
    with repeatedly(samples.take):
        sender = cell.project.send(0, cell.mails, cell.seconds)
        while sender.popen.poll() is None:
            time.sleep(EVERY)
            match chance.choice(FAULTS):
                case "kill":
                    worker = chance.choice(cell.project.workers[1:])
                    worker.kill()
                    cell.killed(worker)
                    cell.project.again(worker)
                case "end":
                    worker = chance.choice(cell.project.workers[1:])
                    worker.kill("SIGTERM")
                    worker.popen.wait(60)
                    cell.project.again(worker)
                case "broker":
                    cell.broker.kill()
                    cell.broker.start()
                case "database":
                    assert cell.database
                    cell.database.kill()
                    cell.database.start()
        cell.project.ready()
        cell.wait(600)
    traces = cell.traces()
    evidence = cell.evidence(doubt=True)
    twice = oracle.second_copies(evidence)
    accepted = sum(told == "accepted" for told in evidence.told.values())
    print(f"    accepted {accepted} of {cell.mails}, {len(cell.events)} workers killed,"
          f" {len(twice)} twice, {len(evidence.letters)} dead letters, at most"
          f" {max(samples.rings)} rings, memory {samples.growth():.2f} times")  # fmt: skip
    assert oracle.lost(evidence) == []
    assert [*oracle.faults(evidence)] == []
    assert accepted > cell.mails / 2
    assert set(twice.values()) <= {1}
    assert {window for _, window in traces.windows(["W2"])} <= {"W2"}
    assert max(samples.rings) <= MOST_RINGS
    assert samples.growth() <= GROWS
