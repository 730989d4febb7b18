"""Rings that wait in a worker stand for those that come after them."""

import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from mailqueue.bootsteps import screen as module
from mailqueue.broker.message import body_of, headers_of, ring_of


class Message:
    """A message as kombu gives it, that notes what is said to the broker."""

    def __init__(self, argument: str) -> None:
        self.body = body_of(argument)
        self.headers = headers_of(uuid.uuid4().hex, origin="test")
        self.content_type = "application/json"
        self.channel, self.delivery_tag = None, "1"
        self.delivery_info = {"routing_key": "mail"}
        self.properties: dict[str, Any] = {}
        self.acked = False

    def ack(self) -> None:
        self.acked = True


class Worker:
    """Celery's side of it: what it took in, and what has begun."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def handle(self, message: Any) -> None:
        request = SimpleNamespace(id=message.headers["id"])
        self.requests.append(request)

    @property
    def arguments(self) -> int:
        return len(self.requests)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    monkeypatch.setattr(module, "rings", module.Rings())
    monkeypatch.setattr(state, "reserved_requests", made.requests)
    monkeypatch.setattr(state, "active_requests", [])
    monkeypatch.setattr(module, "publisher", lambda: SimpleNamespace(longest_hold=lambda: 10.0))
    return made


def ring(worker: Worker, queue: str = "mail") -> bool:
    """Let a ring come; tell whether Celery got it."""
    before = worker.arguments
    message = Message(ring_of(queue))
    module.screen(message, worker.handle, "mail")  # type: ignore[arg-type]
    assert message.acked == (worker.arguments == before)
    return worker.arguments > before


def test_a_flood_of_rings_is_one(worker: Worker) -> None:
    assert [ring(worker) for _ in range(100)] == [True] + [False] * 99


def test_a_ring_that_has_begun_stands_for_none(worker: Worker) -> None:
    """It may have looked into the table before the mail was there."""
    assert ring(worker)
    state.active_requests.append(worker.requests[0])
    assert ring(worker)
    assert not ring(worker)


def test_a_ring_that_has_ended_stands_for_none(worker: Worker) -> None:
    assert ring(worker)
    worker.requests.clear()
    assert ring(worker)


def test_rings_of_another_queue_are_others(worker: Worker) -> None:
    assert ring(worker, "mail")
    assert ring(worker, "urgent")
    assert not ring(worker, "mail")


def test_mail_is_never_merged(worker: Worker) -> None:
    for _ in range(3):
        message = Message(json.dumps(["1.json.x:y"]))
        module.screen(message, worker.handle, "mail")  # type: ignore[arg-type]
        assert not message.acked
    assert worker.arguments == 3
