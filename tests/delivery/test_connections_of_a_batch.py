"""A batch over several connections to a mail server that does not behave, at both levels."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from mailqueue import signals
from mailqueue.delivery.attempt import paces
from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import couriers
from mailqueue.delivery.deliver import breakers
from mailqueue.ledger.models import Entry
from mailqueue.mail import EmailMessage, mailers
from mailqueue.testing import queue_in_memory
from tests.smtp.scripted import EVERYTHING, HANG_UP, KEEP_AND_HANG_UP, STALL, Script, Server
from tests.smtp.test_in_step import inserted

FEW, NUMBER = 3, 24
WAYS = {"lockstep": ("8BITMIME",), "pipelined": ("PIPELINING",), "chunked": EVERYTHING}


@pytest.fixture(params=[None, "database"], ids=["broker alone", "ledger"])
def ledger(request: Any, transactional_db: None) -> Any:
    return request.param


@pytest.fixture(params=WAYS)
def extensions(request: Any) -> tuple[str, ...]:
    return WAYS[request.param]


@pytest.fixture
def told() -> Iterator[Counter[tuple[str, str]]]:
    """Count the signals, with the kind that they name."""
    seen: Counter[tuple[str, str]] = Counter()
    receivers = []
    for name in ("sent", "deferred", "dead", "paused"):

        def note(name: str = name, kind: str = "", attempts: int = 0, **facts: Any) -> None:
            seen[name, str(kind)] += 1
            if name == "deferred":
                seen["charged", ""] += attempts

        getattr(signals, name).connect(note)
        receivers.append((name, note))
    yield seen
    for name, note in receivers:
        getattr(signals, name).disconnect(note)


@pytest.fixture
def deliver(ledger: Any) -> Iterator[Callable[..., None]]:
    """Queue mails, and let a worker try each once; the batch is spread from the first mail on."""

    def run(server: Server, number: int = NUMBER, **smtp: Any) -> None:
        retry = {"schedule": [600], "jitter": 0}
        options = {"using": "smtp", "ledger": ledger, "retry": retry}
        options |= {"connections": FEW, "batch_size": 100}
        relay = {"host": "127.0.0.1", "port": server.port, "timeout": 20} | smtp
        entries = {
            "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options},
            "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": relay},
        }
        paces["smtp"].useful = FEW
        couriers.release(couriers.hire(1))
        with override_settings(MAILERS=entries), queue_in_memory() as worker:
            messages = [
                EmailMessage(f"{n}", "b", "me@x.test", [f"r{n}@x.test"]) for n in range(number)
            ]
            mailers.default.send_messages(messages)
            worker()

    couriers.dismiss()
    yield run
    connections.close()
    paces.clear()
    breakers.clear()
    Entry.objects.all().delete()


def nth(verb: str, connection: int, answer: bytes, times: int = 1) -> Script:
    """Answer that of one connection, the first times that it comes."""
    left = [times]

    def script(said: str, argument: str, number: int) -> bytes | None:
        if said == verb and number == connection and left[0]:
            left[0] -= 1
            return answer
        return None

    return script


def test_each_is_sent_once(deliver, extensions, told) -> None:
    with Server(extensions=extensions) as server:
        deliver(server)
    assert Counter(server.copies()) == {f"r{n}@x.test": 1 for n in range(NUMBER)}
    assert server.connections == FEW
    assert {mail.connection for mail in server.taken} == {1, 2, 3}
    assert +told == {("sent", ""): NUMBER}


@pytest.mark.parametrize("greeting", [b"421 4.7.0 too many connections", b"554 5.7.1 no"])
def test_a_relay_that_gives_two_connections_charges_no_mail(
    deliver, extensions, told, greeting
) -> None:
    """Neither are there mails that wait, nor does the mailer pause."""
    refused = threading.Event()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if verb == "greeting" and connection > 2:
            refused.set()
            return greeting
        if verb == "MAIL":
            assert refused.wait(30)
        return None

    with Server(script, extensions) as server:
        deliver(server)
    assert Counter(server.copies()) == {f"r{n}@x.test": 1 for n in range(NUMBER)}
    assert +told == {("sent", ""): NUMBER}


def test_a_connection_that_is_cut(deliver, extensions, told) -> None:
    """Before a mail is whole it goes again at once; after that nobody knows."""
    with Server(nth("DOT", 2, HANG_UP), extensions) as server:
        deliver(server)
    copies = Counter(server.copies())
    assert set(copies.values()) == {1}
    assert told["sent", ""] == len(copies)
    assert told["sent", ""] + told["deferred", "ambiguous"] == NUMBER
    assert 1 <= told["deferred", "ambiguous"] <= (8 if "CHUNKING" in extensions else 1)


def test_a_connection_whose_last_answer_is_lost(deliver, extensions, told) -> None:
    with Server(nth("DOT", 2, KEEP_AND_HANG_UP), extensions) as server:
        deliver(server)
    copies = Counter(server.copies())
    assert set(copies.values()) == {1}
    assert told["sent", ""] + told["deferred", "ambiguous"] == NUMBER
    assert len(copies) - told["sent", ""] == 1


def test_a_connection_that_falls_silent(deliver, extensions, told) -> None:
    """Only its share waits; that was handed to it and is not known to be sent."""
    with Server(nth("MAIL", 2, STALL), extensions) as server:
        deliver(server, timeout=0.5)
    copies = Counter(server.copies())
    assert set(copies.values()) == {1}
    assert len(copies) == told["sent", ""] >= NUMBER * 2 // FEW
    assert sum(told[name] for name in told if name[0] in ("sent", "deferred")) == NUMBER


def test_a_connection_that_takes_no_mail(deliver, extensions, told) -> None:
    """The others take what it was given, and the mailer does not pause."""
    with Server(nth("RCPT", 2, b"452 4.7.0 too many connections", 99), extensions) as server:
        deliver(server)
    assert Counter(server.copies()) == {f"r{n}@x.test": 1 for n in range(NUMBER)}
    assert +told == {("sent", ""): NUMBER}


def test_a_connection_that_is_told_to_slow_down(deliver, extensions, told) -> None:
    """What it has left waits at no charge, and the mailer pauses, once, whatever others did."""
    count = [0]

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if verb == "RCPT" and connection == 2:
            count[0] += 1
            return b"452 4.7.0 too many messages" if count[0] > 2 else None
        return None

    with Server(script, extensions) as server:
        deliver(server)
    assert set(Counter(server.copies()).values()) == {1}
    assert told["sent", ""] == len(server.taken) >= NUMBER * 2 // FEW + 2
    assert told["sent", ""] + told["deferred", "rate_limited"] == NUMBER
    assert told["charged", ""] == 0
    assert told["paused", "rate_limited"] + told["paused", ""] == 1
    assert breakers["smtp"].failures == 1


def test_a_connection_that_gives_an_answer_too_many(deliver, extensions, told) -> None:
    """Nobody is "sent" whom the server did not take; the other connections are not concerned."""
    tamper = inserted(3, b"250 2.0.0 ok\r\n", at_once=True, before=True)
    with Server(extensions=extensions, tamper=tamper) as server:
        deliver(server)
    copies = Counter(server.copies())
    assert set(copies.values()) == {1}
    assert told["sent", ""] <= len(copies)
    assert told["sent", ""] >= NUMBER * 2 // FEW
    assert told["sent", ""] + told["deferred", "ambiguous"] == NUMBER


def test_at_the_end_nothing_is_left_open(deliver, extensions) -> None:
    with Server(extensions=extensions) as server:
        for _ in range(3):
            deliver(server)
            assert "mailqueue-courier" not in [each.name for each in threading.enumerate()]
        assert server.connections == 3 * FEW
        assert server.commands.count("QUIT") == 3 * FEW
    assert len(server.taken) == 3 * NUMBER
