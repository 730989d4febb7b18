"""Every stage of a delivery, and every way in which it can end there, in each way to talk."""

import itertools
from collections.abc import Iterator

import pytest

from mailqueue.outcome.outcome import Kind, Outcome, Stage
from tests.smtp.mails import backend, mail
from tests.smtp.scripted import EVERYTHING, HANG_UP, SILENCE, Server

T, P, R, C, A = (
    Kind.TRANSIENT,
    Kind.PERMANENT,
    Kind.RATE_LIMITED,
    Kind.CONFIGURATION,
    Kind.AMBIGUOUS,
)
VERBS = {
    Stage.CONNECT: "greeting",
    Stage.TLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.SENDER: "MAIL",
    Stage.RECIPIENT: "RCPT",
    Stage.DATA: "DATA",
    Stage.ACCEPTED: "DOT",
}
ANSWERS = {
    # answer: the kinds in the order of VERBS
    b"421 4.3.2 going down": (R, R, R, R, R, R, R),
    b"451 4.3.0 local error": (T, T, T, T, T, T, T),
    b"451 4.7.1 greylisted": (T, T, T, T, T, T, T),
    b"454 Throttling failure: rate exceeded": (R, R, R, R, R, R, R),
    b"454 4.7.0 later": (R, T, T, R, R, R, R),
    b"530 5.7.0 authenticate": (C, C, C, C, C, C, C),
    b"535 5.7.8 credentials": (C, C, C, C, C, C, C),
    b"550 5.1.1 no": (T, C, C, P, P, P, P),
    b"552 5.3.4 too big": (T, C, C, P, P, P, P),
    b"554 5.6.0 content": (T, C, C, P, P, P, P),
    b"what?": (T, T, T, T, T, T, A),
    HANG_UP: (T, T, T, T, T, T, A),
    SILENCE: (T, T, T, T, T, T, A),
}
WAYS = {
    "lockstep": (("8BITMIME",), 10),
    "pipelined": (("PIPELINING", "8BITMIME"), 10),
    "chunked": (("PIPELINING", "CHUNKING", "8BITMIME"), 10),
}


def cells() -> Iterator[tuple[str, Stage, bytes, Kind]]:
    for way, (answer, kinds) in itertools.product(WAYS, ANSWERS.items()):
        for stage, kind in zip(VERBS, kinds, strict=True):
            early = stage in (Stage.CONNECT, Stage.TLS, Stage.AUTH)
            if (early and way != "lockstep") or (stage is Stage.DATA and way == "chunked"):
                continue
            yield way, stage, answer, kind


@pytest.mark.parametrize(
    ("way", "stage", "answer", "kind"),
    [pytest.param(*cell, id=f"{cell[0]}-{cell[1]}-{cell[2].decode()[:12]}") for cell in cells()],
)
def test_end_of_a_delivery(way: str, stage: Stage, answer: bytes, kind: Kind) -> None:
    extensions, window = WAYS[way]
    offered = (*extensions, "AUTH PLAIN", "STARTTLS")
    options = {"timeout": 0.3 if answer == SILENCE else 20, "pipeline_window": window}
    if stage is Stage.TLS:
        options["use_tls"] = True
    if stage is Stage.AUTH:
        options |= {"username": "jo", "password": "secret"}

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return answer if verb == VERBS[stage] else None

    with Server(script, offered) as server:
        (outcomes,) = backend(server.port, **options).deliver([mail("jo@example.test")])

    (outcome,) = outcomes.values()
    assert (outcome.kind, server.taken) == (kind, [])
    check_details(outcome, stage, answer)


def check_details(outcome: Outcome, stage: Stage, answer: bytes) -> None:
    if answer[:1].isdigit():
        assert outcome.code == int(answer[:3])
        assert outcome.enhanced == (answer[4:9].decode() if b"." in answer[4:6] else None)
        assert outcome.stage is stage
    elif stage is Stage.ACCEPTED:
        assert outcome.stage is stage
    assert outcome.reason
    assert b"rate exceeded" not in outcome.reason.encode()


@pytest.mark.parametrize("way", WAYS)
def test_sent(way: str) -> None:
    extensions, window = WAYS[way]
    with Server(extensions=extensions) as server:
        target = backend(server.port, pipeline_window=window)
        (outcomes,) = target.deliver([mail("jo@example.test", "ann@example.test")])
    assert {(each.kind, each.stage, each.queue_id) for each in outcomes.values()} == {
        (Kind.SENT, Stage.ACCEPTED, "1")
    }
    assert server.copies() == ["ann@example.test", "jo@example.test"]


@pytest.mark.parametrize("way", WAYS)
def test_five_recipients(way: str) -> None:
    """Two good, two refused for now, one for good: each ends as what it is, in one mail."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if verb == "RCPT" and "later" in argument:
            return b"450 4.2.0 later"
        return b"550 5.1.1 no" if verb == "RCPT" and "nobody" in argument else None

    names = [
        f"{name}@example.test" for name in ("good", "later1", "nobody", "later2", "good2")
    ]  # fmt: skip
    extensions, window = WAYS[way]
    with Server(script, extensions) as server:
        (outcomes,) = backend(server.port, pipeline_window=window).deliver([mail(*names)])
    assert [outcomes[name].kind for name in names] == [Kind.SENT, T, P, T, Kind.SENT]
    assert [outcomes[name].code for name in names] == [250, 450, 550, 450, 250]
    assert server.copies() == ["good2@example.test", "good@example.test"]


def test_nothing_listens() -> None:
    with Server() as server:
        port = server.port
    (outcomes,) = backend(port).deliver([mail("jo@example.test")])
    assert {(o.kind, o.stage) for o in outcomes.values()} == {(T, Stage.CONNECT)}


@pytest.mark.parametrize("window", [0, 1, 2, 10])
def test_windows(window: int) -> None:
    """What goes over the wire does not depend on the window."""
    messages = [mail(f"r{index}@example.test", body=f".{index}\n..\n") for index in range(25)]
    with Server(extensions=EVERYTHING) as server:
        outcomes = backend(server.port, pipeline_window=window).deliver(messages)
    assert [one.recipients for one in server.taken] == [
        (f"r{index}@example.test",) for index in range(25)
    ]
    assert all(each.kind is Kind.SENT for one in outcomes for each in one.values())
    assert all(
        one.content.endswith(b"\r\n\r\n.%d\r\n..\r\n" % index)
        for index, one in enumerate(server.taken)
    )
