"""What a server offers and has not is done without; nobody's mail dies of it."""

import email
from typing import Any

import pytest

from mailqueue.outcome.outcome import Kind
from mailqueue.smtp.rendering import downgraded
from tests.smtp.mails import backend, mail, mails, told
from tests.smtp.scripted import EVERYTHING, Server

SENT = "sent accepted"


@pytest.mark.parametrize("code", [500, 501, 502, 503, 504, 555])
def test_bdat_that_is_not_there(code: int) -> None:
    """Each mail was a dead letter, for ever; and its lines were taken for commands."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return b"%d 5.5.1 what" % code if verb == "BDAT" else None

    body = "x\nRSET\nMAIL FROM:<eve@x.test>\nRCPT TO:<bob@x.test>\nDATA\n"
    messages = [mail(f"r{index}@example.test", body=body) for index in range(5)]
    with Server(script, EVERYTHING) as server, backend(server.port) as target:
        outcomes = target.deliver(messages)
        assert told(outcomes) == [{f"r{index}": SENT} for index in range(5)]
        assert told(target.deliver(mails(2))) == [{"r0": SENT}, {"r1": SENT}]
        assert sum(line.startswith("BDAT") for line in server.commands) == 1
    assert server.connections == 2
    assert "eve" not in " ".join(server.commands)
    assert target.window == 10  # it does pipeline


def test_bdat_is_tried_once_a_connection() -> None:
    with Server() as server, backend(server.port) as target:
        for _ in range(3):
            assert told(target.deliver(mails(2))) == [{"r0": SENT}, {"r1": SENT}]
    assert sum(line == "BDAT 1" for line in server.commands) == 1
    assert all(one.content.startswith(b"Content-Type") for one in server.taken)


def test_bdat_refused_for_the_mail_is_the_mail_s() -> None:
    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return b"552 5.3.4 too big" if verb == "BDAT" else None

    with Server(script) as server:
        (outcomes,) = told(backend(server.port).deliver(mails(1)))
    assert outcomes == {"r0": "permanent data"}


def refusing(*words: str, reply: bytes) -> Any:
    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return reply if verb == "MAIL" and any(word in argument for word in words) else None

    return script


WAYS = {"lockstep": (), "pipelined": ("PIPELINING",), "chunked": ("PIPELINING", "CHUNKING")}
EIGHT = "Gr\u00fc\u00dfe\n" * 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("word", ["SIZE=", "BODY="])
@pytest.mark.parametrize(
    "reply", [b"555 5.5.4 what", b"501 5.5.4 no", b"504 no", b"500 what", b"455 4.5.4 not now"]
)
def test_parameters_that_are_refused(way: str, word: str, reply: bytes) -> None:
    extensions = (*WAYS[way], "8BITMIME", "SIZE 1000000")
    messages = [mail(f"r{index}@example.test", body=EIGHT) for index in range(3)]
    with Server(refusing(word, reply=reply), extensions) as server, backend(server.port) as target:
        assert told(target.deliver(messages)) == [{f"r{index}": SENT} for index in range(3)]
        before = len(server.commands)
        assert told(target.deliver(messages[:1])) == [{"r0": SENT}]
        assert not any(word in line for line in server.commands[before:])
    assert server.connections == 1
    assert all(one.content.isascii() and one.parameters == "" for one in server.taken)
    read = email.message_from_bytes(server.taken[0].content)
    assert read.get_payload(decode=True).decode() == EIGHT.replace("\n", "\r\n")  # type: ignore[union-attr]


def test_552_may_be_about_the_parameter_and_may_be_meant() -> None:
    with Server(refusing("SIZE=", reply=b"552 no")) as server:
        assert told(backend(server.port).deliver(mails(1))) == [{"r0": SENT}]
    with Server(refusing("SIZE=", reply=b"552 5.3.4 too big")) as server:
        assert told(backend(server.port).deliver(mails(1))) == [{"r0": "permanent sender"}]


@pytest.mark.parametrize("reply", [b"501 5.1.7 bad sender", b"555 5.5.4 what"])
def test_sender_that_is_refused_without_parameters_too(reply: bytes) -> None:
    with Server(refusing("me@", reply=reply)) as server, backend(server.port) as target:
        assert told(target.deliver(mails(1))) == [{"r0": "permanent sender"}]
        assert target.lacking == set()  # nothing was learned of the server
        assert sum(line.startswith("MAIL") for line in server.commands) <= 2


def test_smtputf8_that_is_refused() -> None:
    """Only mail that cannot go without it is refused, as where it is not offered."""
    with Server(refusing("SMTPUTF8", reply=b"555 5.5.4 what")) as server:
        target = backend(server.port)
        one, other = target.deliver([mail("j\u00f6rg@example.test"), mail("jo@example.test")])
        assert {each.kind for each in one.values()} == {Kind.PERMANENT}
        assert {each.kind for each in other.values()} == {Kind.SENT}
        assert target.lacking == {"utf8"}
        seen = len(server.commands)
        target.deliver([mail("j\u00f6rg@example.test")])
        assert not any(line.startswith("MAIL") for line in server.commands[seen:])


@pytest.mark.parametrize("way", WAYS)
def test_send_messages_does_without_too(way: str) -> None:
    extensions = (*WAYS[way], "8BITMIME", "SIZE 1000000")
    with Server(refusing("SIZE=", reply=b"555 5.5.4 what"), extensions) as server:
        assert backend(server.port).send_messages(mails(1)) == 1
        assert backend(server.port).send_messages(mails(3)) == 3


RAW = (
    b"From: me@example.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
    b"Gr\xc3\xbc\xc3\x9fe\r\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        RAW,
        RAW.replace(b"Content-Transfer-Encoding: 8bit\r\n", b""),
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + RAW + b"--b--\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" + RAW,
    ],
)
def test_downgraded(raw: bytes) -> None:
    content = downgraded(raw)
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    (part,) = [one for one in email.message_from_bytes(content).walk() if not one.is_multipart()]
    assert part.get_payload(decode=True).strip() == b"Gr\xc3\xbc\xc3\x9fe"  # type: ignore[union-attr]
    assert part.get_content_charset() == "utf-8"


def test_signed_message_is_left_alone() -> None:
    raw = b'Content-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n' + RAW + b"--b--\r\n"
    assert downgraded(raw) == raw


def test_header_in_8_bits_becomes_an_encoded_word() -> None:
    assert downgraded(RAW.replace(b"hello", b"Gr\xc3\xbc")).isascii()


def test_message_that_renders_itself_in_8_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was refused for good where 8BITMIME is not offered."""
    monkeypatch.setattr("mailqueue.smtp.batch.render", lambda *args, **kwargs: RAW)
    with Server(extensions=()) as server:
        (outcomes,) = told(backend(server.port).deliver(mails(1)))
    assert outcomes == {"r0": SENT}
    assert server.taken[0].content.isascii()
