"""The backend against a real Postfix."""

import re
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.functional import cached_property

from mailqueue.backends.smtp import EmailBackend
from mailqueue.outcome.outcome import Kind, Stage
from tests.smtp import postfix
from tests.smtp.mails import ME, mail

WINDOWS = [0, 1, 10]


@pytest.fixture(scope="module")
def server() -> Iterator[postfix.Postfix]:
    with postfix.running() as running:
        yield running


class Trusting(EmailBackend):
    """Trusts the certificate of the test's Postfix."""

    trusted: ssl.SSLContext

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        return self.trusted


def backend(server: postfix.Postfix, port: int | None = None, **options: Any) -> EmailBackend:
    made = {"host": "localhost", "port": port or server.plain, "timeout": 30, **options}
    target = Trusting(alias="test", **made)
    target.trusted = server.trust()
    return target


def kinds(outcomes: Any) -> list[Kind]:
    return [each.kind for one in outcomes for each in one.values()]


def test_it_offers_what_is_tested_here(server: postfix.Postfix) -> None:
    with backend(server) as target:
        offered = target.ready().offered
    assert (offered.pipelining, offered.chunking, offered.eight_bit, offered.utf8) == (True,) * 4
    assert offered.most_bytes == postfix.SIZE_LIMIT
    with backend(server, server.bare) as target:
        assert not target.ready().offered.pipelining


@pytest.mark.parametrize("window", WINDOWS)
def test_many(server: postfix.Postfix, window: int) -> None:
    subject = f"many {window}"
    body = "Gr\u00fc\u00dfe\n.\n..dots\n"
    messages = [mail(f"r{index}@example.test", subject=subject, body=body) for index in range(40)]
    with backend(server, pipeline_window=window, max_messages=25) as target:
        outcomes = target.deliver(messages)
    assert set(kinds(outcomes)) == {Kind.SENT}
    queue_ids = {each.queue_id for one in outcomes for each in one.values()}
    assert len(queue_ids) == 40
    arrived = server.mails(subject, 40)
    assert len(arrived) == 40
    assert all(text.partition(b"\n\n")[2] == body.encode() for text in arrived)
    received = [re.search(rb"\bid (\w+);?\s", text) for text in arrived]
    assert {found[1].decode() for found in received if found} == queue_ids


@pytest.mark.parametrize("window", WINDOWS)
def test_five_recipients(server: postfix.Postfix, window: int) -> None:
    names = ["a", "temp", "nobody", "temp2", "b"]
    subject = f"five {window}"
    message = mail(*(f"{name}@example.test" for name in names), subject=subject)
    last = mail("c@example.test", subject=subject)
    with backend(server, pipeline_window=window) as target:
        outcomes, after = target.deliver([message, last])
    assert [(each.kind, each.code) for each in outcomes.values()] == [
        (Kind.SENT, 250),
        (Kind.TRANSIENT, 451),
        (Kind.PERMANENT, 550),
        (Kind.TRANSIENT, 450),
        (Kind.SENT, 250),
    ]
    assert kinds([after]) == [Kind.SENT]
    assert len(server.mails(subject, 3)) == 3


@pytest.mark.parametrize("window", WINDOWS)
def test_refusals_and_421(server: postfix.Postfix, window: int) -> None:
    subject = f"refusals {window}"

    def one(*names: str, sender: str = ME, body: str = "x\n") -> Any:
        to = [f"{name}@example.test" for name in names]
        return mail(*to, subject=subject, from_email=sender, body=body)

    messages = [
        one("a", sender="spam@example.test"),
        one("b"),
        one("nobody"),
        one("c", body="x" * 70 + "\n" + "y\n" * 60_000),
        one("d"),
        one("bye", "e"),
        one("f"),
    ]
    with backend(server, pipeline_window=window) as target:
        outcomes = target.deliver(messages)
    assert kinds(outcomes) == [
        Kind.PERMANENT, Kind.SENT, Kind.PERMANENT, Kind.PERMANENT, Kind.SENT,
        Kind.RATE_LIMITED, Kind.RATE_LIMITED, Kind.RATE_LIMITED,
    ]  # fmt: skip
    stages = [next(iter(one.values())).stage for one in outcomes]
    assert stages[0] is Stage.SENDER
    assert stages[2] is Stage.RECIPIENT
    assert len(server.mails(subject, 2)) == 2


def test_size_that_only_the_server_knows(server: postfix.Postfix) -> None:
    """Without SIZE in its EHLO, 552 comes at the end of the data."""
    message = mail("a@example.test", body="y\n" * 60_000)
    with backend(server) as target:
        connection = target.ready()
        assert connection.offered.size
        connection.esmtp_features.pop("size")
        (outcomes,) = target.deliver([message])
    assert [(o.kind, o.stage, o.code) for o in outcomes.values()] == [
        (Kind.PERMANENT, Stage.ACCEPTED, 552)
    ]


def test_too_many_recipients(server: postfix.Postfix) -> None:
    """Postfix takes 50 a mail here: the rest goes as further mails, at once."""
    message = mail(*(f"r{index}@example.test" for index in range(120)), subject="too many")
    (outcomes,) = backend(server).deliver([message])
    assert set(kinds([outcomes])) == {Kind.SENT}
    assert len({each.queue_id for each in outcomes.values()}) == 3
    assert len(server.mails("too many", 120)) == 120


@pytest.mark.parametrize("security", ["starttls", "smtps"])
@pytest.mark.parametrize("window", WINDOWS)
def test_tls_and_auth(server: postfix.Postfix, security: str, window: int) -> None:
    subject = f"{security} {window}"
    secure: dict[str, Any] = {"use_tls": True}
    if security == "smtps":
        secure = {"use_ssl": True, "port": server.tls}
    options = {"username": f"alice@{postfix.HOST}", "password": postfix.PASSWORD, **secure}
    messages = [mail(f"r{index}@example.test", subject=subject) for index in range(30)]
    with backend(server, pipeline_window=window, **options) as target:
        assert set(kinds(target.deliver(messages))) == {Kind.SENT}
    assert len(server.mails(subject, 30)) == 30


def test_wrong_password(server: postfix.Postfix) -> None:
    options = {"username": "alice", "password": "wrong", "use_tls": True}
    (outcomes,) = backend(server, **options).deliver([mail("a@example.test")])
    assert [(o.kind, o.stage, o.code) for o in outcomes.values()] == [
        (Kind.CONFIGURATION, Stage.AUTH, 535)
    ]


@pytest.mark.parametrize("security", ["starttls", "smtps"])
def test_certificate_that_nobody_vouches_for(server: postfix.Postfix, security: str) -> None:
    secure: dict[str, Any] = {"use_tls": True, "port": server.plain}
    if security == "smtps":
        secure = {"use_ssl": True, "port": server.tls}
    target = EmailBackend(alias="test", host="localhost", timeout=30, **secure)
    (outcomes,) = target.deliver([mail("a@example.test")])
    assert [(o.kind, o.stage) for o in outcomes.values()] == [(Kind.CONFIGURATION, Stage.TLS)]


def test_smtputf8(server: postfix.Postfix) -> None:
    (outcomes,) = backend(server).deliver([mail("j\u00f6rg@example.test", subject="utf8")])
    assert kinds([outcomes]) == [Kind.SENT]
    (arrived,) = server.mails("utf8", 1)
    assert "j\u00f6rg@example.test".encode() in arrived


def test_international_domain(server: postfix.Postfix) -> None:
    (outcomes,) = backend(server).deliver([mail("jo@b\u00fccher.example", subject="idn")])
    assert kinds([outcomes]) == [Kind.SENT]
    assert b"jo@xn--bcher-kva.example" in server.mails("idn", 1)[0]


def test_django_api(server: postfix.Postfix) -> None:
    messages = [mail("a@example.test", subject="django") for _ in range(5)]
    assert backend(server).send_messages(messages) == 5
    assert backend(server).send_messages(messages[:1]) == 1
    assert len(server.mails("django", 6)) == 6
