"""TLS from the first byte, with a server that asks for the client's certificate."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailqueue.outcome.outcome import Kind, Stage
from tests.smtp.mails import backend, mail, mails
from tests.smtp.postfix import certify
from tests.smtp.scripted import Server


class TLSServer(Server):
    """Speaks TLS only."""

    context: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        return self.context.wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of handshakes that fail: it is what some tests want."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificate")
    certify(made)
    return made


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TLSServer]:
    """Run one whose certificate the system trusts, and which wants the same from the client."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    TLSServer.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    TLSServer.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    TLSServer.context.load_verify_locations(folder / "ca.pem")
    TLSServer.context.verify_mode = ssl.CERT_REQUIRED
    with TLSServer() as running:
        yield running


@pytest.mark.parametrize("window", [0, 1, 10])
def test_client_certificate_beside_the_certificates_of_the_system(
    server: TLSServer, folder: Path, window: int
) -> None:
    pair = {"ssl_certfile": str(folder / "cert.pem"), "ssl_keyfile": str(folder / "key.pem")}
    target = backend(server.port, use_ssl=True, pipeline_window=window, **pair)
    big = mail("big@example.test", body="x" * 100_000)
    outcomes = target.deliver([*mails(20), big])
    assert {each.kind for one in outcomes for each in one.values()} == {Kind.SENT}
    assert len(server.taken) == 21
    assert len(server.taken[-1].content) > 100_000


def test_without_the_client_certificate(server: TLSServer) -> None:
    (outcomes,) = backend(server.port, use_ssl=True).deliver(mails(1))
    (outcome,) = outcomes.values()
    assert outcome.kind in (Kind.TRANSIENT, Kind.CONFIGURATION)
    assert outcome.stage in (Stage.TLS, Stage.CONNECT)
    assert server.taken == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_client_certificate_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    """It is not the mail's fault, and no weather: the mailer is configured wrong."""
    path = tmp_path / "client.pem"
    if content:
        path.write_text(content)
    with Server() as server:
        target = backend(server.port, use_ssl=True, ssl_certfile=str(path))
        (outcomes,) = target.deliver(mails(1))
    assert {each.kind for each in outcomes.values()} == {Kind.CONFIGURATION}
