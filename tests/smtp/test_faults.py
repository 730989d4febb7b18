"""Servers that fail, lie or leave in the middle of a batch."""

import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailqueue.outcome.outcome import Kind
from tests.smtp.mails import backend, mail, mails, told
from tests.smtp.scripted import (
    EVERYTHING,
    HANG_UP,
    KEEP_AND_HANG_UP,
    SILENCE,
    STALL,
    Script,
    Server,
)

WAYS = {
    "lockstep": ("8BITMIME",),
    "pipelined": ("PIPELINING", "8BITMIME"),
    "chunked": EVERYTHING,
}
SENT, TRANSIENT, AMBIGUOUS = "sent accepted", "transient connect", "ambiguous accepted"


def at(verb: str, word: str, reply: bytes) -> Script:
    """Answer a command that has the word in it."""
    return lambda came, argument, connection: reply if came == verb and word in argument else None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_connection_lost_before_a_message(way: str, verb: str) -> None:
    """What was not started goes over a new connection; nobody gets two copies."""
    lost = itertools.count()

    def script(came: str, argument: str, connection: int) -> bytes | None:
        third = came == verb and next(lost) == 2
        return HANG_UP if third else None

    with Server(script, WAYS[way]) as server:
        outcomes = backend(server.port, pipeline_window=2).deliver(mails(6))
    kinds = Counter(each.kind for one in outcomes for each in one.values())
    if way == "chunked":  # up to two mails were out without an answer
        assert kinds[Kind.AMBIGUOUS] in (1, 2)
        assert kinds[Kind.SENT] == 6 - kinds[Kind.AMBIGUOUS]
    else:
        assert kinds == {Kind.SENT: 6}
    assert max(Counter(server.copies()).values()) == 1
    assert server.connections == 2


@pytest.mark.parametrize("way", ["lockstep", "pipelined"])
def test_answer_to_a_message_lost(way: str) -> None:
    with Server(at("DOT", "r2@", KEEP_AND_HANG_UP), WAYS[way]) as server:
        outcomes = backend(server.port).deliver(mails(5))
    expected = [SENT, SENT, AMBIGUOUS, SENT, SENT]
    assert told(outcomes) == [{f"r{index}": kind} for index, kind in enumerate(expected)]
    assert server.copies() == [f"r{index}@example.test" for index in range(5)]


@pytest.mark.parametrize("way", ["lockstep", "pipelined"])
def test_server_that_never_answers_a_message_gets_few(way: str) -> None:
    with Server(at("DOT", "", KEEP_AND_HANG_UP), WAYS[way]) as server:
        outcomes = backend(server.port).deliver(mails(20))
    kinds = Counter(each.kind for one in outcomes for each in one.values())
    assert kinds == {Kind.AMBIGUOUS: 3, Kind.TRANSIENT: 17}
    assert server.connections == 3


@pytest.mark.parametrize("window", [2, 3, 10])
def test_answer_to_a_message_lost_with_others_in_flight(window: int) -> None:
    """No more than the window are ambiguous, and none of them is sent again here."""
    with Server(at("DOT", "r2@", KEEP_AND_HANG_UP)) as server:
        outcomes = backend(server.port, pipeline_window=window).deliver(mails(20))
    kinds = [each.kind for one in outcomes for each in one.values()]
    assert kinds[:3] == [Kind.SENT, Kind.SENT, Kind.AMBIGUOUS]
    assert 1 <= kinds.count(Kind.AMBIGUOUS) <= window
    assert kinds.count(Kind.SENT) == 20 - kinds.count(Kind.AMBIGUOUS)
    assert max(Counter(server.copies()).values()) == 1


@pytest.mark.parametrize("way", WAYS)
def test_421_after_some_mail_means_another_connection(way: str) -> None:
    seen = itertools.count()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        fourth = verb == "MAIL" and next(seen) % 4 == 3
        return b"421 4.7.0 enough for one connection" if fourth else None

    with Server(script, WAYS[way]) as server:
        outcomes = backend(server.port).deliver(mails(9))
    assert told(outcomes) == [{f"r{index}": SENT} for index in range(9)]
    assert server.copies() == [f"r{index}@example.test" for index in range(9)]
    assert server.connections == 3


@pytest.mark.parametrize("way", WAYS)
def test_421_at_once_limits_all(way: str) -> None:
    with Server(at("MAIL", "", b"421 4.7.0 not today"), WAYS[way]) as server:
        outcomes = backend(server.port).deliver(mails(5))
    assert told(outcomes) == [{f"r{index}": "rate_limited sender"} for index in range(5)]
    assert server.connections == 1


@pytest.mark.parametrize("way", WAYS)
def test_421_in_the_middle_of_a_message(way: str) -> None:
    with Server(at("RCPT", "r1@", b"421 4.3.2 bye"), WAYS[way]) as server:
        outcomes = backend(server.port).deliver(mails(4))
    expected = [SENT, *["rate_limited recipient"] * 3]
    assert told(outcomes) == [{f"r{index}": kind} for index, kind in enumerate(expected)]
    assert server.copies() == ["r0@example.test"]
    assert server.connections == 1


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_server_that_only_claims_to_pipeline(extensions: tuple[str, ...]) -> None:
    """It drops what comes behind a command; each mail arrives all the same, once."""
    with Server(extensions=extensions, deaf=True) as server:
        target = backend(server.port, timeout=0.3)
        outcomes = target.deliver(mails(4))
        assert server.copies() == [f"r{index}@example.test" for index in range(4)]
        assert told(outcomes) == [{f"r{index}": SENT} for index in range(4)]
        assert target.window == 0
        target.deliver(mails(2))
        assert server.connections == 3  # it is not tried a second time


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["MAIL", "DOT"])
def test_silence_is_waited_out_once(way: str, verb: str) -> None:
    """A batch must not take a timeout for each mail; claims on mails end some time."""
    with Server(at(verb, "", STALL), WAYS[way]) as server:
        outcomes = backend(server.port, timeout=0.3, pipeline_window=2).deliver(mails(6))
    kinds = Counter(each.kind for one in outcomes for each in one.values())
    lost = (2 if way == "chunked" else 1) if verb == "DOT" else 0
    assert kinds == Counter({Kind.TRANSIENT: 6 - lost, Kind.AMBIGUOUS: lost})
    assert server.connections == (2 if verb == "MAIL" and way != "lockstep" else 1)


def test_final_answer_that_is_left_out() -> None:
    """The answer to the next MAIL is not taken for it."""
    with Server(at("DOT", "r1@", SILENCE), WAYS["pipelined"]) as server:
        outcomes = backend(server.port).deliver(mails(4))
    expected = [SENT, AMBIGUOUS, SENT, SENT]
    assert told(outcomes) == [{f"r{index}": kind} for index, kind in enumerate(expected)]
    assert server.copies() == [f"r{index}@example.test" for index in (0, 2, 3)]


@pytest.mark.parametrize("way", WAYS)
def test_garbage_does_not_touch_what_was_answered(way: str) -> None:
    lost = itertools.count()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return b"what?" if verb == "MAIL" and next(lost) == 1 else None

    with Server(script, WAYS[way]) as server:
        first, *_ = told(backend(server.port).deliver(mails(3)))
    assert first == {"r0": SENT}


def test_answer_that_is_left_out() -> None:
    """All answers behind it look as if they were to other commands; nobody is given up for it."""
    lost = itertools.count()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return SILENCE if verb == "MAIL" and next(lost) == 1 else None

    with Server(script) as server:
        outcomes = backend(server.port, timeout=0.3).deliver(mails(6))
    kinds = [each.kind for one in outcomes for each in one.values()]
    assert set(kinds) == {Kind.AMBIGUOUS}  # of the window, also the first: who knows where it fell
    assert max(Counter(server.copies()).values()) == 1


@pytest.mark.parametrize("way", WAYS)
def test_message_that_kills_the_connection(way: str) -> None:
    """It alone is put off; those behind it are not held up."""
    with Server(at("MAIL", "poison", HANG_UP), WAYS[way]) as server:
        messages = [*mails(2), mail("jo@example.test", from_email="poison@x.test"), *mails(2, "s")]
        outcomes = backend(server.port, pipeline_window=1).deliver(messages)
    expected = [{"r0": SENT}, {"r1": SENT}, {"jo": "transient data"}, {"s0": SENT}, {"s1": SENT}]
    assert told(outcomes) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reply", [HANG_UP, b"what?"])
def test_server_that_takes_nothing_is_left_soon(way: str, reply: bytes) -> None:
    with Server(at("MAIL", "", reply), WAYS[way]) as server:
        outcomes = backend(server.port, pipeline_window=1).deliver(mails(20))
    assert {each.kind for one in outcomes for each in one.values()} == {Kind.TRANSIENT}
    assert server.connections == 3


@pytest.mark.parametrize("way", WAYS)
def test_too_many_recipients_go_as_another_mail_at_once(way: str) -> None:
    taken: Counter[int] = Counter()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if verb == "MAIL":
            taken.clear()
        if verb != "RCPT":
            return None
        taken[connection] += 1
        return b"452 4.5.3 too many recipients" if taken[connection] > 3 else None

    names = [f"r{index}@example.test" for index in range(8)]
    with Server(script, WAYS[way]) as server:
        (outcomes,) = backend(server.port).deliver([mail(*names)])
    assert {each.kind for each in outcomes.values()} == {Kind.SENT}
    assert [len(one.recipients) for one in server.taken] == [3, 3, 2]
    assert server.copies() == names


@pytest.mark.parametrize("way", WAYS)
def test_refusals_do_not_disturb_the_next_message(way: str) -> None:
    def script(verb: str, argument: str, connection: int) -> bytes | None:
        refused = {"MAIL": "bad@", "RCPT": "nobody@", "DOT": "content@"}
        return b"550 5.7.1 no" if refused.get(verb, "@@") in argument else None

    messages = [
        mail("a@x.test", from_email="bad@x.test"),
        mail("b@x.test"),
        mail("nobody@x.test"),
        mail("c@x.test"),
        mail("content@x.test"),
        mail("d@x.test"),
    ]
    with Server(script, WAYS[way]) as server:
        outcomes = backend(server.port).deliver(messages)
    assert told(outcomes) == [
        {"a": "permanent sender"},
        {"b": SENT},
        {"nobody": "permanent recipient"},
        {"c": SENT},
        {"content": "permanent accepted"},
        {"d": SENT},
    ]
    assert server.connections == 1


def test_server_that_invites_although_all_were_refused() -> None:
    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return {"RCPT": b"550 5.1.1 no", "DATA": b"354 go on"}.get(verb)

    with Server(script, WAYS["pipelined"]) as server:
        outcomes = backend(server.port).deliver(mails(2))
    assert told(outcomes) == [{"r0": "permanent recipient"}, {"r1": "permanent recipient"}]
    assert server.commands.count("DATA") == 2


def test_refusals_stand_when_the_last_answer_is_lost() -> None:
    script = at("DOT", "", SILENCE)
    with Server(
        lambda *came: b"550 5.1.1" if "nobody" in came[1] and came[0] == "RCPT" else script(*came),
        WAYS["pipelined"],
    ) as server:
        outcomes = backend(server.port, timeout=0.3).deliver([mail("jo@x.test", "nobody@x.test")])
    assert told(outcomes) == [{"jo": AMBIGUOUS, "nobody": "permanent recipient"}]


def test_endless_answer() -> None:
    with Server(at("MAIL", "", b"250-x\r\n" * 20_000), WAYS["lockstep"]) as server:
        outcomes = backend(server.port).deliver(mails(1))
    assert told(outcomes) == [{"r0": "transient sender"}]


REPLIES = [
    b"250 2.0.0 ok",
    b"354 go on",
    b"421 4.3.2 bye",
    b"450 4.2.0 later",
    b"452 4.5.3 too many",
    b"550 5.1.1 no",
    b"what?",
    HANG_UP,
    KEEP_AND_HANG_UP,
]
# verb -> at which of its commands -> what is answered
faults = st.dictionaries(
    st.tuples(
        st.sampled_from(["greeting", "MAIL", "RCPT", "DATA", "DOT", "RSET"]), st.integers(0, 9)
    ),
    st.sampled_from(REPLIES),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults,
    st.sampled_from(list(WAYS)),
    st.sampled_from([1, 2, 3, 10]),
    st.lists(st.integers(1, 3), min_size=1, max_size=8),
)
def test_outcomes_agree_with_what_the_server_took(
    faults: dict[tuple[str, int], bytes], way: str, window: int, sizes: list[int]
) -> None:
    """Whatever a server does: sent is one copy, refused is none, ambiguous is one or none."""
    seen: Counter[str] = Counter()

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        seen[verb] += 1
        reply = faults.get((verb, seen[verb] - 1))
        believable = {"354": verb == "DATA", "250": verb != "DATA"}
        if reply is None or not believable.get(reply[:3].decode(), True):
            return None  # a server that says that it took what it did not take is beyond help
        return reply

    messages = [
        mail(*(f"r{number}-{index}@example.test" for index in range(size)))
        for number, size in enumerate(sizes)
    ]
    with Server(script, WAYS[way]) as server:
        outcomes = backend(server.port, pipeline_window=window).deliver(messages)
    copies = Counter(server.copies())
    for message, of_one in zip(messages, outcomes, strict=True):
        assert set(of_one) == set(message.recipients())
        for name, outcome in of_one.items():
            allowed = {Kind.SENT: (1,), Kind.AMBIGUOUS: (0, 1)}.get(outcome.kind, (0,))
            assert copies[name] in allowed, (name, outcome)
