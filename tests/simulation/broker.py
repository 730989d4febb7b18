"""A broker: what Redis and RabbitMQ do with a message, as far as mail can tell."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from celery import Celery

from mailqueue.broker import eager
from mailqueue.broker.publish import Publisher
from mailqueue.broker.queues import DELIVERY_LIMIT
from mailqueue.broker.sender import Way
from mailqueue.errors import PublishError
from tests.simulation.clock import Clock
from tests.simulation.processes import Process
from tests.simulation.windows import Window


@dataclasses.dataclass(eq=False)
class Message:
    """A message of the mail queue; who has it taken, and until when a broker believes that."""

    number: int
    body: bytes
    ready_at: float = 0.0  # true time: RabbitMQ's delay queues
    eta: float | None = None  # time of a worker's clock: kombu on Redis
    redelivered: int = 0
    holder: Process | None = None
    until: float = 0.0
    started: bool = False  # a worker began its task

    @property
    def argument(self) -> str:
        """The one argument of its task."""
        return str(json.loads(self.body)[0][0])


class Broker:
    """The mail queue and its dead letter queue."""

    def __init__(self, clock: Clock, *, rabbitmq: bool, visibility: float) -> None:
        self.clock, self.rabbitmq, self.visibility = clock, rabbitmq, visibility
        self.queue: list[Message] = []  # waiting, or taken and not acknowledged
        self.dead: list[bytes] = []
        self.numbers = itertools.count(1)
        self.came_back: Callable[[Message, Window], None] = lambda message, window: None

    def put(self, body: bytes, *, wait: float = 0.0, eta: float | None = None) -> Message:
        message = Message(next(self.numbers), body, self.clock.now + wait, eta)
        self.queue.append(message)
        return message

    def take(self, process: Process) -> Message | None:
        """Give a worker the next message; on Redis it holds those whose time has not come."""
        self.restore()
        for message in self.queue:
            mine = message.holder is process and message.eta is not None
            if (message.holder is None and message.ready_at <= self.clock.now) or mine:
                if message.holder is None:
                    message.holder = process
                    message.until = self.clock.now + self.visibility
                if message.eta is None or message.eta <= process.own_clock.time():
                    message.eta = None
                    return message
        return None

    def ack(self, message: Message, process: Process) -> None:
        if message in self.queue and message.holder is process:
            self.queue.remove(message)

    def give_back(self, message: Message, process: Process, window: Window) -> None:
        """Let others have what a process has; RabbitMQ buries what came back too often."""
        if message not in self.queue or message.holder is not process:
            return
        message.holder, message.redelivered = None, message.redelivered + 1
        self.came_back(message, window)
        if self.rabbitmq and message.redelivered > DELIVERY_LIMIT:
            self.queue.remove(message)
            self.dead.append(message.body)

    def lose(self, process: Process, window: Window) -> None:
        """See the connection of a worker end."""
        for message in [each for each in self.queue if each.holder is process]:
            if self.rabbitmq:
                self.give_back(message, process, window)
            else:
                message.holder = Nobody  # until the visibility timeout is over

    def pass_on(self, process: Process, successor: Process, window: Window) -> None:
        """See the child of a worker end: its task comes again, and the worker keeps what waits."""
        for message in [each for each in self.queue if each.holder is process]:
            if message.eta is None:
                self.give_back(message, process, window)
            else:
                message.holder = successor

    def restore(self) -> None:
        """Give away what was taken for longer than Redis waits."""
        for message in list(self.queue):
            taken = not self.rabbitmq and message.holder is not None
            if taken and message.until <= self.clock.now:
                self.give_back(message, message.holder, Window.VISIBLE)

    def next_for(self, process: Process) -> float:
        """Return when there is something to take for an idle worker."""
        moments = []
        for each in self.queue:
            if each.holder is None:
                moments.append(each.ready_at)
            elif each.holder is process and each.eta is not None:
                moments.append(process.own_clock.shows(each.eta) + 0.001)
            if each.holder is not None and not self.rabbitmq:
                moments.append(each.until)
        return min(moments, default=float("inf"))


Nobody: Any = object()


class SimulatedPublisher(Publisher):
    """Ours, which has a simulated broker where others have connections."""

    def __init__(self, app: Celery, broker: Broker, step: Callable[[str, bytes], None]) -> None:
        self.app, self.rabbitmq, self.origin = app, broker.rabbitmq, "simulated"
        self.there, self.step = broker, step

    def send(
        self,
        body: bytes,
        id: str,  # noqa: A002 (as it is called there)
        way: Way,
        *,
        headers: dict[str, Any],
        priority: int = 0,
    ) -> None:
        self.step("before publishing", body)
        if way.queue.name.endswith(".dead"):
            self.there.dead.append(body)
        else:
            bits, _, _ = way.routing_key.rpartition(f".{way.queue.name}")
            wait = int(bits.replace(".", ""), 2) if way.exchange else 0
            eta = headers.get("eta")
            when = datetime.fromisoformat(eta).timestamp() if eta else None
            self.there.put(body, wait=wait, eta=when)
        self.step("after publishing", body)

    def dead_letter(self, body: Mapping[str, Any], *, queue: str, headers: dict[str, str]) -> None:
        """Keep it, in eager mode for the oracle alone: there is no broker then."""
        super().dead_letter(body, queue=queue, headers=headers)
        if eager.attempt.get() is not None:
            self.there.dead.append(json.dumps(body).encode())

    def waiting(self, queue: str) -> int:
        self.step("before asking the broker", b"")
        return sum(each.holder is None for each in self.there.queue)

    def close(self) -> None:
        """There is nothing to close."""


def refused() -> PublishError:
    return PublishError("The broker did not take it.")
