"""AUTH by an access token, asked for at each connection and never kept."""

import base64
from typing import Any

import pytest

from mailqueue.outcome.outcome import Kind, Outcome, Stage
from tests.smtp.mails import backend, mails
from tests.smtp.scripted import Server


def token() -> str:
    return "ya29.token"


def decoded(line: str) -> str:
    return base64.b64decode(line.split()[-1]).decode()


def deliver(server: Server, **options: Any) -> Outcome:
    made = {"username": "jo@example.test", "oauth_token": f"{__name__}.token", **options}
    (outcomes,) = backend(server.port, **made).deliver(mails(1))
    return outcomes["r0@example.test"]


@pytest.mark.parametrize(
    ("offered", "written"),
    [
        ("AUTH PLAIN XOAUTH2", "user=jo@example.test\x01auth=Bearer ya29.token\x01\x01"),
        ("AUTH XOAUTH2 OAUTHBEARER", "n,a=jo@example.test,\x01auth=Bearer ya29.token\x01\x01"),
    ],
)
def test_mechanism(offered: str, written: str) -> None:
    with Server(extensions=("PIPELINING", offered)) as server:
        assert deliver(server).kind is Kind.SENT
    assert decoded(server.commands[1]) == written
    assert server.commands[1].startswith(f"AUTH {offered.split()[-1]} ")


def test_name_is_escaped() -> None:
    with Server(extensions=("AUTH OAUTHBEARER",)) as server:
        deliver(server, username="a=b,c")
    assert decoded(server.commands[1]).startswith("n,a=a=3Db=2Cc,")


@pytest.mark.parametrize(("mechanism", "farewell"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
def test_refused(mechanism: str, farewell: str) -> None:
    """The error comes as a challenge; only its answer brings the 535."""

    def script(verb: str, argument: str, connection: int) -> bytes | None:
        return {"AUTH": b"334 eyJzdGF0dXMiOiI0MDAifQ==", farewell: b"535 5.7.8 no"}.get(verb)

    with Server(script, (f"AUTH {mechanism}",)) as server:
        outcome = deliver(server)
    assert (outcome.kind, outcome.stage, outcome.code) == (Kind.CONFIGURATION, Stage.AUTH, 535)


def test_not_offered() -> None:
    with Server(extensions=("AUTH PLAIN LOGIN",)) as server:
        assert deliver(server).kind is Kind.CONFIGURATION
        assert not any(line.startswith("AUTH") for line in server.commands)


def away() -> str:
    raise ConnectionRefusedError


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (away, Kind.TRANSIENT),  # where tokens come from is away
        (lambda: None, Kind.CONFIGURATION),
        (lambda: "", Kind.CONFIGURATION),
        (lambda: "a\x01b", Kind.CONFIGURATION),
    ],
)
def test_no_token(source: Any, kind: Kind) -> None:
    with Server(extensions=("AUTH XOAUTH2",)) as server:
        assert deliver(server, oauth_token=source).kind is kind


def test_token_is_asked_for_anew_and_kept_nowhere() -> None:
    given = ["first", "second"]
    with Server(extensions=("AUTH XOAUTH2",)) as server:
        target = backend(
            server.port, username="jo", oauth_token=lambda: given.pop(0), max_messages=1
        )
        target.open()
        target.deliver(mails(2))
        kept = repr([vars(target), vars(target.connection), target.connection_options])
        target.close()
    auths = [decoded(line) for line in server.commands if line.startswith("AUTH")]
    assert ["first" in auths[0], "second" in auths[1]] == [True, True]
    assert "first" not in kept
    assert "second" not in kept
