"""Single mails that have to wait for a process go as one task."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.prefork import TaskPool
from celery.concurrency.solo import TaskPool as SoloPool
from celery.worker import state

from mailqueue.bootsteps.gathering import ROOM, Gathering, gathering_for, processes
from mailqueue.bootsteps.request import MailMessage
from mailqueue.broker.message import headers_of, ring_of


class Answers:
    """A channel that notes what is said of each message."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        self.said.append((tag, "ack"))

    def basic_reject(self, tag: str, requeue: bool = False) -> None:
        self.said.append((tag, "requeue" if requeue else "reject"))


class Worker:
    """Celery's side of it, with two processes: the tasks that it has, and had."""

    def __init__(self) -> None:
        self.channel, self.processes = Answers(), 2
        self.requests: list[Any] = []
        self.tasks: list[MailMessage] = []
        most = {"mail": 3, "urgent": 3, "alone": 1}
        self.gathering = Gathering(self.handle, most, lambda: self.processes)

    def handle(self, message: MailMessage) -> None:
        self.tasks.append(message)
        self.requests.append(SimpleNamespace(id=message.headers["id"]))

    def take(self, name: str, queue: str = "mail", *, argument: str = "", **how: Any) -> None:
        message = MailMessage(
            argument or json.dumps([name]),
            channel=self.channel,
            delivery_tag=name,
            delivery_info={"routing_key": queue, "redelivered": how.get("redelivered", False)},
            properties={"correlation_id": name, "priority": None},
            headers=headers_of(name, origin="test", eta=how.get("eta")),
        )
        self.gathering.take(queue, message)

    def end(self, number: int) -> None:
        """End a task, however that happens, and let the loop go round."""
        ended = self.tasks[number].headers["id"]
        self.requests[:] = [request for request in self.requests if request.id != ended]
        self.gathering.release()

    @property
    def seen(self) -> list[list[str]]:
        """The mails of each task."""
        return [[json.loads(each.value)[0] for each in task.body[0]] for task in self.tasks]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    monkeypatch.setattr(state, "reserved_requests", made.requests)
    return made


def test_what_has_to_wait_goes_together_and_nothing_else_waits(worker: Worker) -> None:
    for name in "abcdefg":
        worker.take(name)
    assert worker.seen == [["a"], ["b"]]
    worker.end(1)
    assert worker.seen[2:] == [["c", "d", "e"]]
    worker.end(0)
    assert worker.seen[3:] == [["f", "g"]]
    worker.end(2)
    worker.take("h")
    assert worker.seen[4:] == [["h"]]


def test_several_mails_in_a_task_are_more_than_one_until_it_ends(worker: Worker) -> None:
    for name in "abcde":
        worker.take(name)
    assert worker.gathering.beyond() == 0
    worker.end(0)
    assert worker.seen[2:] == [["c", "d", "e"]]
    assert worker.gathering.beyond() == 2
    worker.end(2)
    assert worker.gathering.beyond() == 0


def test_the_broker_hears_of_each(worker: Worker) -> None:
    for name in "abcdefghijkl":
        worker.take(name)
    for number in range(4):
        worker.end(number)
    worker.tasks[2].ack()
    worker.tasks[3].reject()
    worker.tasks[4].reject(requeue=True)
    worker.tasks[5].requeue()
    said = ("c", "ack"), ("f", "reject"), ("i", "requeue"), ("l", "requeue")
    assert [each for each in worker.channel.said if each[0] in "cfil"] == list(said)
    assert len(worker.channel.said) == 10


def test_what_came_before_goes_alone(worker: Worker) -> None:
    """It may be what killed its last worker."""
    for name in "abc":
        worker.take(name)
    worker.take("d", redelivered=True)
    worker.take("e")
    assert worker.seen[2:] == [["d"]]
    worker.end(0)
    assert worker.seen[3:] == [["c", "e"]]


def test_lists_rings_and_what_has_to_wait_for_its_time_are_left_as_they_are(
    worker: Worker,
) -> None:
    for name in "ab":
        worker.take(name)
    for argument in (json.dumps(["c", "d"]), ring_of("mail"), "[]", '["', "x"):
        worker.take("", argument=argument)
    worker.take("e", eta="2026-01-01T00:00:00+00:00")
    assert len(worker.tasks) == 8
    assert not worker.gathering.waiting


def test_queues_stay_apart_and_have_their_turn(worker: Worker) -> None:
    for name in "ab":
        worker.take(name)
    for name in "cdefgh":
        worker.take(name)
    for name in "ijk":
        worker.take(name, "urgent")
    for number in range(3):
        worker.end(number)
    assert worker.seen[2:] == [["c", "d", "e"], ["i", "j", "k"], ["f", "g", "h"]]


def test_a_queue_of_mailers_without_batches_gathers_nothing(worker: Worker) -> None:
    for name in "abcd":
        worker.take(name, "alone")
    assert worker.seen == [["a"], ["b"], ["c"], ["d"]]


def test_a_task_is_bounded_in_bytes(worker: Worker) -> None:
    big = ROOM // 2
    for name in "ab":
        worker.take(name)
    for name in "cde":
        worker.take(name, argument=json.dumps([name * big]))
    worker.end(0)
    worker.end(1)
    assert [len(task.body[0]) for task in worker.tasks] == [1, 1, 1, 1]
    worker.end(2)
    assert [len(task.body[0]) for task in worker.tasks] == [1, 1, 1, 1, 1]


def test_a_pool_that_grows_is_used_at_once(worker: Worker) -> None:
    for name in "abcde":
        worker.take(name)
    worker.processes = 3
    worker.gathering.release()
    assert worker.seen[2:] == [["c", "d", "e"]]


def test_autoscaling_has_something_to_scale_for() -> None:
    pool = SimpleNamespace(num_processes=1)
    alone = SimpleNamespace(controller=SimpleNamespace(autoscaler=None), pool=pool)
    assert processes(alone) == 1
    alone.controller.autoscaler = SimpleNamespace(max_concurrency=8)
    assert processes(alone) == 8


def test_only_pools_of_processes_gather() -> None:
    hub = SimpleNamespace(on_tick=set())
    for pool in (SoloPool, TaskPool):
        consumer = SimpleNamespace(hub=hub, pool=pool.__new__(pool))
        made = gathering_for(consumer, print, {})  # type: ignore[arg-type]
        assert bool(made) == (pool is TaskPool) == bool(hub.on_tick)
    assert gathering_for(SimpleNamespace(hub=None, pool=consumer.pool), print, {}) is None  # type: ignore[arg-type]
