"""Mails that came one by one go as one task, as far as they have to wait anyway.

A task costs a worker more than the mail in it. So a mail goes to the pool at once while that has
a process without one; else it waits here, where Celery would have had it wait in the pool, and
goes with those that came meanwhile. What was brought before may have killed its worker, and goes
alone.
"""

import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from celery.concurrency.prefork import TaskPool
from celery.worker import state

from mailqueue.bootsteps.request import MailMessage
from mailqueue.bootsteps.taking import ack_together
from mailqueue.broker.message import headers_of

ROOM = 2**20  # characters of a task with several mails

Handle = Callable[[MailMessage], None]


class Gathering:
    """The mails that wait in this worker, by queue; `most` says how many make a task there.

    ``processes`` are those that may have a task each. A task is over when Celery has it no longer.
    """

    def __init__(
        self, handle: Handle, most: Mapping[str, int], processes: Callable[[], int]
    ) -> None:
        self.handle, self.most, self.processes = handle, most, processes
        self.waiting: dict[str, deque[MailMessage]] = {}
        self.handed: dict[str, int] = {}  # by the ids of tasks, how many messages they are

    def take(self, queue: str, message: MailMessage) -> None:
        """Hand a message to Celery, now or with others; what is no single new mail goes as is."""
        if self.most[queue] > 1 and is_single(message):
            self.waiting.setdefault(queue, deque()).append(message)
            self.release()
        else:
            self.handle(message)

    def release(self) -> None:
        """Hand over what waits, as far as there are processes for it; called at each tick."""
        while self.waiting and self.busy() < max(1, self.processes()):
            queue = next(iter(self.waiting))
            self.hand(self.group(queue))

    def busy(self) -> int:
        """Return how many of the tasks are not over."""
        had = {request.id for request in state.reserved_requests}
        for ended in self.handed.keys() - had:
            del self.handed[ended]
        return len(self.handed)

    def beyond(self) -> int:
        """Return how many more messages than tasks are handed over and not over."""
        tasks = self.busy()
        return sum(self.handed.values()) - tasks

    def group(self, queue: str) -> list[MailMessage]:
        """Take a task's worth of what waits for a queue; other queues are next."""
        waiting = self.waiting.pop(queue)
        group = [waiting.popleft()]
        room = ROOM - len(group[0].argument.value)
        while waiting and len(group) < self.most[queue]:
            room -= len(waiting[0].argument.value)
            if room < 0:
                break
            group.append(waiting.popleft())
        if waiting:
            self.waiting[queue] = waiting
        return group

    def hand(self, group: list[MailMessage]) -> None:
        """Hand one task to Celery."""
        message = group[0] if len(group) == 1 else Gathered(group)
        self.handed[str(message.headers["id"])] = len(group)
        self.handle(message)


class Gathered(MailMessage):
    """Messages as one task; what Celery says of it to the broker is said of each."""

    def __init__(self, group: list[MailMessage]) -> None:
        first, task_id = group[0], str(uuid.uuid4())
        self.group = group
        super().__init__(
            *(message.argument.value for message in group),
            channel=first.channel,
            delivery_tag=first.delivery_tag,
            delivery_info=first.delivery_info,
            properties=first.properties | {"correlation_id": task_id},
            headers=headers_of(task_id, origin="mailqueue"),
        )

    def ack(self, multiple: bool = False) -> None:
        ack_together(self.group)

    def reject(self, requeue: bool = False) -> None:
        for message in self.group:
            message.reject(requeue=requeue)

    def requeue(self) -> None:
        for message in self.group:
            message.requeue()


def is_single(message: MailMessage) -> bool:
    """Tell whether it is one mail that came for the first time, and is to go now."""
    argument = message.argument.value
    mails = argument.startswith('["') and argument.count('"') == 2
    new = not message.delivery_info["redelivered"] and message.headers["eta"] is None
    return mails and new


def processes(consumer: Any) -> int:
    """Return how many processes a worker's pool has, or may have: Celery adds them for tasks."""
    scaler = consumer.controller.autoscaler
    return int(scaler.max_concurrency if scaler else consumer.pool.num_processes)


def gathering_for(consumer: Any, handle: Handle, most: Mapping[str, int]) -> Gathering | None:
    """Let a worker gather mails; return None where its pool has no processes."""
    if consumer.hub is None or not isinstance(consumer.pool, TaskPool):
        return None
    made = Gathering(handle, most, lambda: processes(consumer))
    consumer.hub.on_tick.add(made.release)
    return made
