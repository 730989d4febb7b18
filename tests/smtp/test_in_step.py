"""Answers belong to commands by their number alone: one too many or too few harms nobody."""

import socket
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailqueue.outcome.outcome import Kind
from tests.smtp.mails import backend, mail, mails, told
from tests.smtp.scripted import EVERYTHING, Server, Tamper

WAYS = {
    "lockstep": ("8BITMIME",),
    "pipelined": ("PIPELINING", "8BITMIME"),
    "chunked": EVERYTHING,
}
SENT, AMBIGUOUS = "sent accepted", "ambiguous accepted"


def fate(verb: str, argument: str, connection: int) -> bytes | None:
    """Answer each mail, or recipient, as its name says."""
    refused = {
        ("MAIL", "nosender"): b"550 5.7.1 no",
        ("RCPT", "nobody"): b"550 5.1.1 no",
        ("RCPT", "later"): b"450 4.2.0 later",
        ("DOT", "nocontent"): b"554 5.6.0 no",
    }
    for (at, word), reply in refused.items():
        if verb == at and word in argument:
            return reply
    return None


def inserted(place: int, extra: bytes, *, at_once: bool, before: bool) -> Tamper:
    def tamper(number: int, data: bytes) -> list[bytes]:
        if number != place:
            return [data]
        both = [extra, data] if before else [data, extra]
        return [b"".join(both)] if at_once else both

    return tamper


def dropped(place: int) -> Tamper:
    return lambda number, data: [] if number == place else [data]


def doubled(place: int) -> Tamper:
    return lambda number, data: [data + data] if number == place else [data]


EXTRA = [b"250 2.0.0 ok\r\n", b"550 5.1.1 no\r\n", b"450 4.2.0 later\r\n", b"354 go on\r\n"]
tampers = st.one_of(
    st.builds(
        inserted,
        st.integers(0, 30),
        st.sampled_from(EXTRA),
        at_once=st.booleans(),
        before=st.booleans(),
    ),
    st.integers(0, 30).map(dropped),
    st.integers(0, 30).map(doubled),
)
FATES = ["good", "nobody", "later", "nocontent", "nosender"]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.data(),
    st.lists(st.lists(st.sampled_from(FATES), min_size=1, max_size=3), min_size=1, max_size=6),
    st.sampled_from([2, 3, 10]),
)
def test_nobody_gets_the_outcome_of_another(
    way: str, data: st.DataObject, fates: list[list[str]], window: int
) -> None:
    """With one answer inserted, dropped or doubled: sent was taken, refused was refused."""
    messages = []
    for number, names in enumerate(fates):
        to = [f"{name}-{number}-{index}@x.test" for index, name in enumerate(names)]
        messages.append(mail(*to, from_email=f"{names[0]}-{number}@x.test"))
    with Server(fate, WAYS[way], tamper=data.draw(tampers)) as server:
        outcomes = backend(server.port, pipeline_window=window, timeout=0.2).deliver(messages)
    copies = Counter(server.copies())
    for message, of_one in zip(messages, outcomes, strict=True):
        assert set(of_one) == set(message.recipients())
        nosender = message.from_email.startswith("nosender")
        nocontent = any(name.startswith("nocontent") for name in of_one)
        for name, outcome in of_one.items():
            if outcome.kind is Kind.SENT:
                assert copies[name] == 1, (name, outcome)
            elif outcome.kind is Kind.AMBIGUOUS:
                assert copies[name] <= 1, (name, outcome)
            else:
                assert copies[name] == 0, (name, outcome)
            if outcome.kind is Kind.PERMANENT:
                assert nosender or nocontent or name.startswith("nobody"), (name, outcome)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_once", [True, False])
def test_answer_too_many_to_a_refused_message(way: str, at_once: bool) -> None:
    """It was reported as sent, and the mail behind it as refused."""
    # Answers 0 to 3: MAIL, RCPT, DATA or the first BDAT, the message.
    tamper = inserted(3, b"250 2.0.0 ok\r\n", at_once=at_once, before=True)
    with Server(fate, WAYS[way], tamper=tamper) as server:
        first, second = told(
            backend(server.port).deliver([mail("nocontent@x.test"), mail("jo@x.test")])
        )
    assert first == {"nocontent": AMBIGUOUS}
    assert second["jo"] in (SENT, AMBIGUOUS)
    assert server.copies() in ([], ["jo@x.test"])


def test_answer_to_rset_is_not_taken_for_that_to_bdat() -> None:
    with Server(fate, tamper=dropped(3)) as server:  # MAIL, RCPT, BDAT 1, BDAT
        outcomes = backend(server.port, timeout=0.3).deliver([mail("nocontent@x.test"), *mails(2)])
    assert told(outcomes)[0] == {"nocontent": AMBIGUOUS}
    assert max(Counter(server.copies()).values()) == 1


@pytest.mark.parametrize("way", WAYS)
def test_bare_cr_in_an_answer(way: str) -> None:
    """It may hide where one answer ends and another begins."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return b"250 ok\r550 no" if verb == "DOT" else None

    with Server(script, WAYS[way]) as server:
        (outcomes,) = told(backend(server.port).deliver(mails(1)))
    assert outcomes == {"r0": AMBIGUOUS}


@pytest.mark.parametrize("text", [b"250 2.0.0 late\r\n", b"what?\r\n", b"25", b"421 4.4.2 bye\r\n"])
def test_connection_with_something_in_it_is_not_used_again(text: bytes) -> None:
    with Server(extensions=("8BITMIME",)) as server, backend(server.port) as target:
        assert told(target.deliver(mails(1))) == [{"r0": SENT}]
        server.sockets[0].sendall(text)
        wait_for_input(target)
        assert told(target.deliver(mails(1))) == [{"r0": SENT}]
    assert [one.connection for one in server.taken] == [1, 2]


def wait_for_input(target: Any) -> None:
    sock = target.connection.sock
    assert sock.recv(1, socket.MSG_PEEK)


@pytest.mark.parametrize("place", ["greeting", "EHLO"])
def test_two_answers_before_any_mail(place: str) -> None:
    """Smtplib dropped what it had read ahead."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if connection > 1:
            return None
        return {"greeting": b"220 hi\r\n250 there"}.get(verb) if place == "greeting" else None

    extensions = EVERYTHING if place == "greeting" else (*EVERYTHING, "X\r\n250 x\r\n250-y")
    with Server(script, extensions) as server:
        (outcomes,) = told(backend(server.port).deliver(mails(1)))
    assert outcomes == {"r0": "transient connect"}
    assert server.taken == []


def test_refusals_are_asked_about_once() -> None:
    """One round trip for a batch with a refusal, none for one without."""
    with Server(fate, WAYS["pipelined"]) as server, backend(server.port) as target:
        target.deliver(mails(3))
        assert [line.split()[0] for line in server.commands].count("EHLO") == 1
        target.deliver([mail("nobody@x.test")])
        assert [line.split()[0] for line in server.commands].count("EHLO") == 2
        target.deliver([mail("nobody@x.test"), *mails(1)])  # 354 makes it sure
        assert [line.split()[0] for line in server.commands].count("EHLO") == 2


def test_server_whose_ehlo_has_one_line_is_not_asked() -> None:
    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return {"EHLO": b"502 what", "HELO": b"250 hello"}.get(verb) or fate(verb, argument, 1)

    with Server(script, ()) as server:
        (outcomes,) = told(backend(server.port).deliver([mail("nobody@x.test")]))
    assert outcomes == {"nobody": "permanent recipient"}
