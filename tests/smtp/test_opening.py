"""What fails before a message is named is no fault of any message, and the same for all."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailqueue.outcome.outcome import Kind, Outcome, Stage
from tests.smtp.mails import backend, mails
from tests.smtp.scripted import EVERYTHING, HANG_UP, Script, Server

OPENING = {Stage.CONNECT, Stage.TLS, Stage.AUTH}
NAME, PASSWORD = "j\u00f6rg", "geheim\u00fc\u20ac"


def only(outcomes: Any) -> Outcome:
    """Return the one outcome that all have."""
    (outcome,) = {replace(each, queue_id=None) for one in outcomes for each in one.values()}
    return outcome


def deliver(
    script: Script | None, *extensions: str, number: int = 3, **options: Any
) -> tuple[Outcome, Server]:
    with Server(script, (*EVERYTHING, *extensions)) as server:
        outcomes = backend(server.port, **options).deliver(mails(number))
    return only(outcomes), server


def dialogue(*answers: bytes) -> Script:
    """Answer AUTH, and what follows in it, by these."""
    left = list(answers)

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        known = {"greeting", "EHLO", "MAIL", "RCPT", "RSET", "BDAT", "DOT", "QUIT", "DATA"}
        return None if verb in known or not left else left.pop(0)

    return script


def text(line: str) -> str:
    return base64.b64decode(line.split()[-1]).decode()


def test_credentials_in_utf8_plain() -> None:
    outcome, server = deliver(None, "AUTH PLAIN", username=NAME, password=PASSWORD)
    assert outcome.kind is Kind.SENT
    assert text(server.commands[1]) == f"\0{NAME}\0{PASSWORD}"


def test_credentials_in_utf8_login() -> None:
    script = dialogue(b"334 UGFzc3dvcmQ6", b"235 ok")
    outcome, server = deliver(script, "AUTH LOGIN", username=NAME, password=PASSWORD)
    assert outcome.kind is Kind.SENT
    assert [text(line) for line in server.lines[1:3]] == [NAME, PASSWORD]


def test_login_that_asks_in_plain_words() -> None:
    script = dialogue(b"334 Password:", b"235 ok")
    outcome, _ = deliver(script, "AUTH LOGIN", username="jo", password="x")
    assert outcome.kind is Kind.SENT


def test_credentials_in_utf8_cram_md5() -> None:
    script = dialogue(b"334 PDEyMz4=", b"235 ok")
    outcome, server = deliver(script, "AUTH CRAM-MD5", username=NAME, password=PASSWORD)
    assert outcome.kind is Kind.SENT
    assert text(server.lines[2]).startswith(f"{NAME} ")


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError("expired"),
        KeyError("x"),
        OwnError(),
        json.JSONDecodeError("", "", 0),
        LookupError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_token_function_that_raises(error: Exception) -> None:
    def token() -> str:
        raise error

    outcome, server = deliver(None, "AUTH XOAUTH2", username="jo", oauth_token=token)
    transient = isinstance(error, json.JSONDecodeError)
    assert outcome.kind is (Kind.TRANSIENT if transient else Kind.CONFIGURATION)
    assert outcome.stage in OPENING
    assert server.connections == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("answer", [b"334 not base64!", b"334 ", b"334 =", b"334 PDEyMz4="])
def test_challenges_without_end(mechanism: str, answer: bytes) -> None:
    script = dialogue(*[answer] * 50)
    outcome, server = deliver(script, f"AUTH {mechanism}", username="jo", password="secret")
    assert (outcome.kind, outcome.stage) == (Kind.CONFIGURATION, Stage.AUTH)
    assert len(server.commands) < 10


@pytest.mark.parametrize("mechanisms", ["PLAIN", "PLAIN LOGIN", "CRAM-MD5 PLAIN LOGIN"])
def test_wrong_password_and_a_server_that_hangs_up_then(mechanisms: str) -> None:
    seen: list[str] = []

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        if verb != "AUTH":
            return None
        seen.append(argument)
        return b"535 5.7.8 no" if len(seen) == 1 else HANG_UP

    outcome, server = deliver(script, f"AUTH {mechanisms}", username="jo", password="x")
    assert (outcome.kind, outcome.stage, outcome.code) == (Kind.CONFIGURATION, Stage.AUTH, 535)
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"454 4.7.0 later", Kind.TRANSIENT),
        (b"421 4.3.2 bye", Kind.RATE_LIMITED),
        (b"432 4.3.2 Concurrent connections limit exceeded", Kind.RATE_LIMITED),
    ],
)
def test_auth_that_is_refused_for_now_is_tried_once(reply: bytes, kind: Kind) -> None:
    script = dialogue(*[reply] * 5)
    outcome, server = deliver(script, "AUTH PLAIN LOGIN", username="jo", password="x")
    assert (outcome.kind, outcome.stage) == (kind, Stage.AUTH)
    assert sum(line.startswith("AUTH") for line in server.commands) == 1


def test_next_mechanism_after_one_that_is_refused() -> None:
    script = dialogue(b"504 5.5.4 what", b"334 UGFzc3dvcmQ6", b"235 ok")
    outcome, _ = deliver(script, "AUTH PLAIN LOGIN", username="jo", password="x")
    assert outcome.kind is Kind.SENT


@pytest.mark.parametrize("extension", ["SIZE " + "9" * 5000, "SIZE -1", "SIZE 1e9", "SIZE \u0663"])
def test_size_that_is_no_number(extension: str) -> None:
    with Server(extensions=("8BITMIME", extension)) as server:
        outcomes = backend(server.port).deliver(mails(1))
    assert only(outcomes).kind is Kind.SENT


@pytest.mark.parametrize("extension", ["\x00\xff", "=", "AUTH=", "250", "-", " " * 300])
def test_odd_lines_in_ehlo(extension: str) -> None:
    assert deliver(None, extension)[0].kind is Kind.SENT


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_our_own_name_is_refused_as_late_as_at_a_recipient(
    verb: str, extensions: tuple[str, ...]
) -> None:
    reply = b"504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname"
    with Server(lambda came, *_: reply if came == verb else None, extensions) as server:
        outcomes = backend(server.port).deliver(mails(2))
    assert only(outcomes).kind is Kind.CONFIGURATION


@contextmanager
def raw(*lines: bytes, endless: bytes = b"") -> Iterator[tuple[int, list[int]]]:
    """Listen, say these lines to whoever comes, then `endless` again and again."""
    came: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                came.append(1)
                with connection:
                    try:
                        for line in lines:
                            connection.sendall(line)
                        while endless:
                            connection.sendall(endless)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("lines", "endless"),
    [
        ((), b""),  # hangs up at once
        ((b"220 hi\r\n",), b""),
        ((b"220 hi\r\n", b"250-me\r\n250 "), b""),
        ((), b"220-x\r\n"),
        ((b"220 hi\r\n",), b"250-x\r\n"),
        ((), b"2" * 1000),
    ],
)
def test_down_before_any_message_is_down_for_all(lines: tuple[bytes, ...], endless: bytes) -> None:
    with raw(*lines, endless=endless) as (port, came):
        outcome = only(backend(port).deliver(mails(20)))
    assert (outcome.kind, outcome.stage) == (Kind.TRANSIENT, Stage.CONNECT)
    assert len(came) == 1


def test_silent_server_is_waited_for_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        outcome = only(backend(port, timeout=0.3).deliver(mails(20)))
    assert (outcome.kind, outcome.stage) == (Kind.TRANSIENT, Stage.CONNECT)
