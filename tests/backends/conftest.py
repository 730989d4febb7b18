"""Fixtures of the backends."""

import ssl

import pytest
import trustme

from mailqueue.demo.sink import Sink
from tests.mail.conftest import mailer as mailer


@pytest.fixture(scope="session")
def ca():
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def server_context(ca):
    """What a server with a certificate of `ca` needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def starttls_sink(server_context):
    with Sink(tls_context=server_context, require_starttls=True) as running:
        yield running
