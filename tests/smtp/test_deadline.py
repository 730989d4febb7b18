"""Servers that are slow without end: no answer, and no mail, takes longer than it may."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.smtp import deadline as deadline_module
from mailqueue.smtp.deadline import Deadline
from tests.smtp.mails import backend, mail, mails, told
from tests.smtp.scripted import Handler, Server

WAYS = {
    "lockstep": ("8BITMIME",),
    "pipelined": ("PIPELINING",),
    "chunked": ("PIPELINING", "CHUNKING"),
}


class Dripping(Server):
    """Sends lines of an answer to one verb without end, often enough for any single recv()."""

    def __init__(self, verb: str, extensions: tuple[str, ...]) -> None:
        super().__init__(self.drip, extensions)
        self.verb = verb
        self.over = threading.Event()

    def drip(self, verb: str, argument: str, connection: int) -> bytes | None:
        if verb == self.verb:
            sock = self.sockets[connection - 1]
            while not self.over.wait(0.02):
                sock.sendall(b"220-" if verb == "greeting" else b"250-x\r\n")
        return None

    def __exit__(self, *exc_info: object) -> None:
        self.over.set()
        super().__exit__(*exc_info)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
def test_answer_that_drips(way: str, verb: str) -> None:
    """`timeout` is for the whole answer: it held a worker for hours."""
    if (way, verb) == ("chunked", "DATA"):
        return
    with Dripping(verb, WAYS[way]) as server:
        (outcomes,) = backend(server.port, timeout=0.3).deliver(mails(1))
    (outcome,) = outcomes.values()
    assert outcome.kind is (Kind.AMBIGUOUS if verb == "DOT" else Kind.TRANSIENT)
    assert server.connections <= 2


def test_greeting_that_drips_is_bounded_for_all() -> None:
    with Dripping("greeting", ()) as server:
        outcomes = backend(server.port, timeout=0.3).deliver(mails(10))
        assert server.connections == 1
    assert {(o.kind, o.stage) for one in outcomes for o in one.values()} == {
        (Kind.TRANSIENT, Stage.CONNECT)
    }


def test_farewell_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailqueue.smtp.client.FAREWELL", 0.3)
    with Dripping("QUIT", ()) as server:
        assert told(backend(server.port).deliver(mails(1))) == [{"r0": "sent accepted"}]
        with backend(server.port) as target:
            target.send_messages(mails(1))


class Clock:
    """The time for deadlines; each answer of a server may make it later."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@contextmanager
def slow(verb: str, seconds: float, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Iterator[Any]:
    """Serve with answers to a verb that take so long, by a clock of our own."""
    clock = Clock()
    monkeypatch.setattr(deadline_module, "time", clock)
    answer = Handler.answer

    def later(self: Handler, came: str, argument: str, default: bytes | None = None) -> bool:
        clock.now += seconds if came == verb else 0
        return answer(self, came, argument, default)

    monkeypatch.setattr(Handler, "answer", later)
    with Server(**more) as server:
        yield server, clock


@pytest.mark.parametrize("way", WAYS)
def test_many_slow_answers_end_at_the_deadline(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comes within `timeout`; 60 of 20 s are 20 minutes."""
    names = [f"r{index}@example.test" for index in range(60)]
    with slow("RCPT", 20, monkeypatch, extensions=WAYS[way]) as (server, _):
        (outcomes,) = backend(server.port, timeout=30, deadline=240).deliver([mail(*names)])
    assert {each.kind for each in outcomes.values()} == {Kind.TRANSIENT}
    assert server.taken == []


def test_each_mail_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow("RCPT", 20, monkeypatch, extensions=()) as (server, _):
        outcomes = backend(server.port, timeout=30, deadline=60).deliver(mails(20))
    assert {each.kind for one in outcomes for each in one.values()} == {Kind.SENT}


def test_connecting_counts_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow("greeting", 61, monkeypatch, extensions=()) as (server, _):
        outcomes = backend(server.port, timeout=30, deadline=60).deliver(mails(3))
    assert {(o.kind, o.stage) for one in outcomes for o in one.values()} == {
        (Kind.TRANSIENT, Stage.CONNECT)
    }
    assert server.connections == 1


def test_kept_connection_does_not_age_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow("none", 0, monkeypatch) as (server, clock), backend(server.port) as target:
        for _ in range(3):
            assert told(target.deliver(mails(1))) == [{"r0": "sent accepted"}]
            clock.now += 10_000
        assert target.connection is not None
        assert target.connection.noop()[0] == 250  # outside of our calls nothing is bounded


@pytest.mark.parametrize(
    ("options", "longest"),
    [
        ({"timeout": None}, 240 + 600),
        ({"timeout": 30}, 240 + 30),
        ({"timeout": 30, "final_timeout": 90, "deadline": 100}, 100 + 90),
    ],
)
def test_longest(options: dict[str, Any], longest: float) -> None:
    target = backend(25, **options)
    assert target.longest() == longest + 10
    assert target.longest(5) == 5 * longest + 10


def test_default_fits_the_default_lease() -> None:
    assert backend(25, timeout=None).longest() < 900


class TestDeadline:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        clock = Clock()
        monkeypatch.setattr(deadline_module, "time", clock)
        return clock

    def test_bounds(self, clock: Clock) -> None:
        deadline = Deadline(10)
        with deadline.call(25):
            assert deadline.bound(60) == 10
            assert deadline.bound(5) == 5
            assert deadline.bound(None) == 10
            assert deadline.bound(60, final=True) == 25
            clock.now += 8
            assert deadline.bound(60) == 2
            deadline.restart()
            assert deadline.bound(60) == 10
            clock.now += 9
            deadline.restart()
            assert deadline.bound(60) == 8  # to the end of the call
            clock.now += 8
            with pytest.raises(TimeoutError):
                deadline.bound(60)
        assert deadline.bound(60) == 60
        assert deadline.bound(None) is None

    def test_call_within_a_call_goes_on(self, clock: Clock) -> None:
        deadline = Deadline(10)
        with deadline.call(20):
            clock.now += 9
            with deadline.call(20):
                assert deadline.bound(60) == 1
            assert deadline.bound(60) == 1

    def test_without_a_bound(self) -> None:
        assert Deadline().seconds == math.inf
        assert Deadline().bound(None) is None
