"""A server that asks for less gets less at once; and a mail that is no longer to go does not."""

import pytest
from django.core.mail import EmailMessage

from mailqueue.outcome.outcome import Kind
from tests.smtp.mails import backend, mail, mails, told
from tests.smtp.scripted import EVERYTHING, Server

WAYS = {
    "lockstep": ("8BITMIME",),
    "pipelined": ("PIPELINING", "8BITMIME"),
    "chunked": EVERYTHING,
}
SENT = "sent accepted"
STALE = "transient message"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DOT"])
@pytest.mark.parametrize(
    "reply", [b"450 4.7.0 too many", b"451 4.7.0 rate limit", b"432 4.3.2 Concurrent connections"]
)
def test_slow_down_stops_the_batch(way: str, verb: str, reply: bytes) -> None:
    """Others were tried all the same, 99 of 100."""
    seen = 0

    def script(came: str, argument: str, connection: int) -> bytes | None:
        nonlocal seen
        if came != verb:
            return None
        seen += 1
        return reply if seen == 3 else None

    window = 2
    with Server(script, WAYS[way]) as server:
        outcomes = backend(server.port, pipeline_window=window).deliver(mails(50))
    kinds = [each.kind for one in outcomes for each in one.values()]
    assert kinds[:3] == [Kind.SENT, Kind.SENT, Kind.RATE_LIMITED]
    assert kinds[5:] == [Kind.RATE_LIMITED] * 45  # one more may have been out
    assert len(server.taken) <= 4
    assert kinds.count(Kind.SENT) == len(server.taken)
    (limited,) = {each for one in outcomes for each in one.values() if each.kind != "sent"}
    assert limited.code == int(reply[:3])


def test_421_to_a_connection_that_has_had_enough_is_no_slow_down() -> None:
    """Also when the mails before it were of another call."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        enough = verb == "MAIL" and connection == 1 and len(server.taken) == 2
        return b"421 4.7.0 too many mails on this connection" if enough else None

    with Server(script) as server, backend(server.port) as target:
        assert told(target.deliver(mails(2))) == [{"r0": SENT}, {"r1": SENT}]
        assert told(target.deliver(mails(2))) == [{"r0": SENT}, {"r1": SENT}]
    assert [one.connection for one in server.taken] == [1, 1, 2, 2]


@pytest.mark.parametrize("way", WAYS)
def test_asked_just_before_the_message_goes(way: str) -> None:
    asked: list[str] = []

    def going(message: EmailMessage) -> bool:
        asked.extend(message.to)
        return "stale" not in message.to[0]

    messages = [mail("stale0@x.test"), *mails(2), mail("stale1@x.test"), *mails(1, "s")]
    with Server(extensions=WAYS[way]) as server, backend(server.port) as target:
        target.before_content = going
        outcomes = target.deliver(messages)
        assert told(outcomes) == [
            {"stale0": STALE}, {"r0": SENT}, {"r1": SENT}, {"stale1": STALE}, {"s0": SENT},
        ]  # fmt: skip
        assert outcomes[0]["stale0@x.test"].reason == "no longer to be sent (transient)"
        assert list(dict.fromkeys(asked)) == [to for message in messages for to in message.to]
        target.before_content = None
        assert told(target.deliver(mails(1))) == [{"r0": SENT}]
    assert server.copies() == sorted(["r0@example.test", "r1@example.test", "s0@example.test",
                                      "r0@example.test"])  # fmt: skip
    assert server.connections == 1


@pytest.mark.parametrize("way", WAYS)
def test_what_is_late_behind_one_that_was_late_is_not_begun(way: str) -> None:
    """Each of a window took a slow server three answers, until all their claims had run out."""
    begun = 0

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        nonlocal begun
        begun += verb == "MAIL"
        return None

    with Server(script, WAYS[way]) as server:
        target = backend(server.port, pipeline_window=2)
        target.before_content = lambda message: False
        outcomes = target.deliver(mails(20))
    assert told(outcomes) == [{f"r{number}": STALE} for number in range(20)]
    assert begun <= 3  # some were out when the first was asked for
    assert server.taken == []


@pytest.mark.parametrize("way", WAYS)
def test_asking_that_fails_sends_nothing(way: str) -> None:
    def going(message: EmailMessage) -> bool:
        raise RuntimeError

    with Server(extensions=WAYS[way]) as server:
        target = backend(server.port)
        target.before_content = going
        outcomes = target.deliver(mails(3))
    assert {each.kind for one in outcomes for each in one.values()} == {Kind.TRANSIENT}
    assert server.taken == []
