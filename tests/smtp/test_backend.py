"""The backend by Django's API, where it does more than Django's: lists, and refusals."""

import smtplib
from typing import Any

import pytest

from mailqueue.outcome.exceptions import classify
from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.smtp import batch
from mailqueue.smtp.rendering import render
from tests.smtp.mails import backend, mail, mails
from tests.smtp.scripted import EVERYTHING, HANG_UP, Server


def refuse(verb: str, argument: str, connection: int) -> bytes | None:
    refused = {"MAIL": "bad@", "RCPT": "nobody@", "DOT": "content@"}
    return b"550 5.7.1 no" if refused.get(verb, "@@") in argument else None


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), EVERYTHING])
@pytest.mark.parametrize("number", [1, 2, 30])
def test_sent(extensions: tuple[str, ...], number: int) -> None:
    with Server(extensions=extensions) as server:
        assert backend(server.port).send_messages(mails(number)) == number
        assert backend(server.port).send_messages(iter(mails(number))) == number  # type: ignore[arg-type]
    assert len(server.taken) == 2 * number
    assert server.connections == 2


def test_list_is_pipelined() -> None:
    with Server() as server:
        backend(server.port).send_messages(mails(3))
    assert any(line.startswith("BDAT") for line in server.commands)


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), EVERYTHING])
@pytest.mark.parametrize(
    ("message", "error"),
    [
        (mail("a@x.test", from_email="bad@x.test"), smtplib.SMTPSenderRefused),
        (mail("nobody@x.test", "nobody@y.test"), smtplib.SMTPRecipientsRefused),
        (mail("content@x.test"), smtplib.SMTPDataError),
        (mail("not an address@@x.test"), ValueError),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_errors_are_those_of_smtplib(
    extensions: tuple[str, ...], message: Any, error: type[Exception], alone: bool
) -> None:
    messages = [message] if alone else [mail("a@x.test"), message, mail("b@x.test")]
    with Server(refuse, extensions) as server:
        with pytest.raises(error) as raised:
            backend(server.port).send_messages(messages)
        assert server.copies() == ([] if alone else ["a@x.test", "b@x.test"])
    if isinstance(raised.value, smtplib.SMTPResponseException):
        assert raised.value.smtp_code == 550


@pytest.mark.parametrize("alone", [True, False])
def test_fail_silently(alone: bool) -> None:
    messages = [mail("nobody@x.test")] if alone else [mail("a@x.test"), mail("nobody@x.test")]
    with Server(refuse) as server:
        sent = backend(server.port, fail_silently=True).send_messages(messages)
        assert sent == (0 if alone else 1)
        with pytest.raises(ValueError, match="address"):
            backend(server.port, fail_silently=True).send_messages([*messages, mail("@@")])
    assert backend(server.port, fail_silently=True).send_messages(messages) == 0


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), EVERYTHING])
@pytest.mark.parametrize("alone", [True, False])
def test_partial_refusal_is_noted(extensions: tuple[str, ...], alone: bool) -> None:
    message = mail("a@x.test", "nobody@x.test")
    with Server(refuse, extensions) as server:
        target = backend(server.port)
        messages = [message] if alone else [mail("b@x.test"), message]
        assert target.send_messages(messages) == len(messages)
    assert target.refused[-1] == {"nobody@x.test": (550, b"5.7.1 no")}
    assert alone or target.refused[0] == {}


def test_lost_connection_is_raised() -> None:
    with (
        Server(lambda verb, *_: HANG_UP if verb == "DOT" else None, ()) as server,
        pytest.raises(smtplib.SMTPServerDisconnected),
    ):
        backend(server.port).send_messages(mails(3))


def test_no_connection_is_raised() -> None:
    with Server() as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        backend(port).send_messages(mails(2))


def test_messages_without_recipients_do_not_count() -> None:
    with Server() as server:
        assert backend(server.port).send_messages([mail(), mail("a@x.test"), mail()]) == 1
        assert backend(server.port).send_messages([mail()]) == 0


def test_address_that_needs_smtputf8_is_refused_as_by_django() -> None:
    """By Django's API; deliver() sends it."""
    messages = [mail("j\u00f6rg@x.test"), mail("a@x.test")]
    with Server() as server, pytest.raises(ValueError, match=r"non-ASCII|address"):
        backend(server.port).send_messages(messages)


def test_plain_sendmail_of_the_connection() -> None:
    """Who uses the connection itself finds smtplib's interface."""
    with Server(refuse, ("PIPELINING", "8BITMIME")) as server, backend(server.port) as target:
        connection = target.connection
        assert connection is not None
        assert connection.sendmail("me@x.test", "a@x.test", "Subject: x\n\nx") == {}
        assert (
            connection.sendmail("me@x.test", ["a@x.test"], b"\xc3\xa4\r\n", ["BODY=8BITMIME"]) == {}
        )
        assert connection.sendmail("me@x.test", ["a@x.test", "nobody@x.test"], b"\xc3\xa4\r\n") == {
            "nobody@x.test": (550, b"5.7.1 no")
        }
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            connection.sendmail("me@x.test", ["nobody@x.test"], b"x")
        assert connection.noop()[0] == 250
    assert server.copies() == ["a@x.test"] * 3
    assert [one.parameters for one in server.taken][1:] == ["BODY=8BITMIME"] * 2


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
@pytest.mark.parametrize("answer", [HANG_UP, b"what?"])
def test_error_after_the_whole_message_is_ambiguous(
    extensions: tuple[str, ...], answer: bytes
) -> None:
    """So says classify() where a subclass has a ``send_messages()`` of its own."""
    with Server(lambda verb, *_: answer if verb == "DOT" else None, extensions) as server:
        target = backend(server.port)
        with pytest.raises(smtplib.SMTPException) as raised:
            target.send_messages(mails(1))
    assert classify(raised.value, ["r0@example.test"])["r0@example.test"].kind is Kind.AMBIGUOUS


@pytest.mark.parametrize("error", [AttributeError, TypeError, IndexError, RecursionError])
def test_a_message_that_pythons_email_package_fails_at_is_tried_no_more(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = mail("bad@x.test"), mail("good@x.test")

    def failing(message: Any, **how: Any) -> bytes:
        if message is bad:
            raise error("a defect of Python's")
        return render(message, **how)

    monkeypatch.setattr(batch, "render", failing)
    with Server() as server:
        first, second = backend(server.port).deliver([bad, good])
        with pytest.raises(error):
            backend(server.port).send_messages([bad, good])
    outcome = first["bad@x.test"]
    assert (outcome.kind, outcome.stage) == (Kind.PERMANENT, Stage.MESSAGE)
    assert outcome.reason == "message cannot be made (permanent)"
    assert second["good@x.test"].kind is Kind.SENT
