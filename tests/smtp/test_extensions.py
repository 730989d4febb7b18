"""Mail that needs an extension, and servers that do not offer it."""

import email
from email.policy import SMTP

import django
import pytest

from mailqueue import compat
from mailqueue.outcome.outcome import Kind, Stage
from tests.smtp.mails import backend, mail
from tests.smtp.scripted import Server

UTF8 = ("PIPELINING", "8BITMIME", "SMTPUTF8")
JOERG = "j\u00f6rg@example.test"


@pytest.mark.parametrize(
    ("recipient", "sent_to"),
    [
        ("Jo <jo@b\u00fccher.example>", "jo@xn--bcher-kva.example"),
        ("jo@xn--fa-hia.example", "jo@xn--fa-hia.example"),  # IDNA 2008 stays
        ('"Jo, the first" <jo@example.test>', "jo@example.test"),
    ],
)
def test_domains_are_sent_in_ascii(recipient: str, sent_to: str) -> None:
    with Server(extensions=()) as server:
        (outcomes,) = backend(server.port).deliver([mail(recipient)])
    assert outcomes[recipient].kind is Kind.SENT
    assert server.copies() == [sent_to]


def test_same_mailbox_twice_gets_one_copy() -> None:
    with Server() as server:
        (outcomes,) = backend(server.port).deliver(
            [mail("jo@example.test", "Jo <jo@example.test>")]
        )
    assert {each.kind for each in outcomes.values()} == {Kind.SENT}
    assert len(outcomes) == 2
    assert server.copies() == ["jo@example.test"]


@pytest.mark.parametrize(
    "message",
    [mail(JOERG), mail("jo@example.test", from_email=JOERG), mail("a@x.test", bcc=[JOERG])],
)
def test_smtputf8_needed_and_not_offered(message: django.core.mail.EmailMessage) -> None:
    with Server(extensions=("PIPELINING", "8BITMIME")) as server:
        (outcomes,) = backend(server.port).deliver([message])
    assert {(o.kind, o.enhanced, o.reason) for o in outcomes.values()} == {
        (Kind.PERMANENT, "5.6.7", "SMTPUTF8 needed (permanent)")
    }
    assert not [line for line in server.commands if line.startswith("MAIL")]


def test_smtputf8_needed_and_offered() -> None:
    message = mail(f"J\u00f6rg <{JOERG}>", "j\u00f6@b\u00fccher.example", subject="Gr\u00fc\u00dfe")
    with Server(extensions=UTF8) as server:
        (outcomes,) = backend(server.port).deliver([message])
    assert {each.kind for each in outcomes.values()} == {Kind.SENT}
    (taken,) = server.taken
    assert taken.recipients == (JOERG, "j\u00f6@xn--bcher-kva.example")
    assert "SMTPUTF8" in taken.parameters
    assert "BODY=8BITMIME" in taken.parameters
    headers = taken.content.decode().partition("\r\n\r\n")[0]
    assert f"<{JOERG}>" in headers
    assert "?=@" not in headers  # an encoded word is no local part
    if compat.HAS_POLICY:
        assert "Subject: Gr\u00fc\u00dfe" in headers


def test_smtputf8_is_not_asked_for_without_need() -> None:
    with Server(extensions=UTF8) as server:
        backend(server.port).deliver([mail("jo@example.test", subject="Gr\u00fc\u00dfe")])
    assert "SMTPUTF8" not in server.taken[0].parameters


@pytest.mark.parametrize("offered", [True, False])
def test_eight_bit_body(offered: bool) -> None:
    """Where the server does not take 8 bits, the body is written in 7."""
    message = mail("jo@example.test", body="Gr\u00fc\u00dfe\n" * 3)
    message.attach("n\u00e4me.txt", "\u00e4\n", "text/plain")
    extensions = ("PIPELINING", "8BITMIME") if offered else ("PIPELINING",)
    with Server(extensions=extensions) as server:
        (outcomes,) = backend(server.port).deliver([message])
    assert outcomes["jo@example.test"].kind is Kind.SENT
    (taken,) = server.taken
    assert ("BODY=8BITMIME" in taken.parameters) == offered
    assert offered or taken.content.isascii()
    read = email.message_from_bytes(taken.content, policy=SMTP)
    assert read.get_body().get_content().splitlines() == ["Gr\u00fc\u00dfe"] * 3  # type: ignore[attr-defined]
    (attachment,) = read.iter_attachments()  # type: ignore[attr-defined]
    assert attachment.get_content().strip() == "\u00e4"


def test_size_is_checked_before_sending() -> None:
    with Server(extensions=("PIPELINING", "SIZE 2000")) as server:
        outcomes = backend(server.port).deliver(
            [mail("jo@example.test", body="x" * 3000), mail("ann@example.test")]
        )
    assert outcomes[0]["jo@example.test"].kind is Kind.PERMANENT
    assert outcomes[0]["jo@example.test"].enhanced == "5.3.4"
    assert outcomes[0]["jo@example.test"].reason == "message too big (permanent)"
    assert outcomes[1]["ann@example.test"].kind is Kind.SENT
    assert f"SIZE={len(server.taken[0].content)}" in server.taken[0].parameters
    assert server.copies() == ["ann@example.test"]


def test_size_without_a_limit() -> None:
    with Server(extensions=("SIZE",)) as server:
        backend(server.port).deliver([mail("jo@example.test")])
    assert "SIZE=" in server.taken[0].parameters


@pytest.mark.parametrize(
    "message",
    [
        mail("two@at@example.test"),
        mail("jo@example.test\r\nRCPT TO:<eve@example.test>"),
        mail("jo@example.test", subject="a\nBcc: eve@example.test"),
        mail("jo@example.test", headers={"X-A\r\nBcc": "eve@example.test"}),
    ],
)
def test_message_that_cannot_be_made(message: django.core.mail.EmailMessage) -> None:
    """It alone fails, and for good; nothing of it reaches the server."""
    with Server() as server:
        bad, good = backend(server.port).deliver([message, mail("ann@example.test")])
    assert {(o.kind, o.stage) for o in bad.values()} == {(Kind.PERMANENT, Stage.MESSAGE)}
    assert good["ann@example.test"].kind is Kind.SENT
    assert not any("eve" in line for line in server.commands)
    assert server.copies() == ["ann@example.test"]


def test_message_without_recipients_has_no_outcomes() -> None:
    with Server() as server:
        assert backend(server.port).deliver([mail(), mail("jo@example.test")])[0] == {}
        assert backend(server.port).deliver([]) == []
    assert len(server.taken) == 1


def test_server_of_before_1995() -> None:
    """It knows HELO alone."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return {"EHLO": b"502 what", "HELO": b"250 hello"}.get(verb)

    with Server(script) as server:
        server.extensions = ()
        (outcomes,) = backend(server.port).deliver([mail("jo@example.test")])
    assert outcomes["jo@example.test"].kind is Kind.SENT
    assert server.taken[0].parameters == ""
