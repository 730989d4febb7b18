"""The SMTP backend against a server: its options, its connection, its errors."""

import smtplib
import socket
import ssl
from email.headerregistry import Address

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.core import mail as django_mail

from mailqueue.backends.smtp import EmailBackend
from mailqueue.demo.sink import Sink
from mailqueue.mail import EmailMessage, InvalidMailer


class Private(EmailBackend):
    """Trusts a private authority."""

    def __init__(self, *, ca_file, **kwargs):
        super().__init__(**kwargs)
        self.ca_file = ca_file

    @property
    def ssl_context(self):
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture
def build(mailer, sink):
    def build(**options):
        return mailer(**{"host": "127.0.0.1", "port": sink.port, "timeout": 10} | options)

    return build


def message(*to, **kwargs):
    return EmailMessage("S", "B", "f@example.test", to or ["to@example.test"], **kwargs)


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_options_and_their_defaults(mailer):
    given = {
        "host": "mail.example.test",
        "port": 2525,
        "username": "me",
        "password": "secret",
        "use_tls": True,
        "fail_silently": True,
        "use_ssl": False,
        "timeout": 7,
        "ssl_keyfile": "k",
        "ssl_certfile": "c",
    }
    backend = mailer(**given)
    assert {name: getattr(backend, name) for name in given} == given
    backend = mailer(host="x")
    assert (backend.use_tls, backend.use_ssl, backend.fail_silently) == (False, False, False)
    assert (backend.username, backend.password, backend.timeout) == (None, None, None)


@pytest.mark.parametrize(
    ("options", "port"),
    [({}, 25), ({"use_tls": True}, 587), ({"use_ssl": True}, 465), ({"port": 26}, 26)],
)
def test_the_port_goes_by_the_kind_of_tls(mailer, options, port):
    assert mailer(host="x", **options).port == port


def test_settings_of_old_are_not_read(mailer):
    with pytest.raises(InvalidMailer, match="OPTIONS must define 'host'"):
        mailer(port=25)


def test_what_travels(build, sink):
    sent = message(
        Address("Ann Ö", "ann", "exämple.test"), cc=["Bob <bob@example.test>"], bcc=["c@x.test"]
    )
    assert build().send_messages([sent]) == 1
    [mail] = sink.mails
    assert mail.sender == "f@example.test"
    assert mail.recipients == ("ann@xn--exmple-cua.test", "bob@example.test", "c@x.test")
    assert b"bcc" not in mail.content.lower()
    assert mail.content.count(b"\n") == mail.content.count(b"\r\n")


def test_many_messages_share_a_connection(build, sink):
    backend = build()
    assert backend.send_messages([message(), message(), message()]) == 3
    assert sink.connections == 1
    assert backend.connection is None
    assert backend.send_messages([message()]) == 1
    assert sink.connections == 2


def test_an_opened_connection_stays_open(build, sink):
    with build() as backend:
        assert backend.open() is False
        backend.send_messages([message()])
        backend.send_messages([message()])
        assert backend.connection is not None
    assert backend.connection is None
    assert sink.connections == 1


def test_a_connection_opened_for_one_batch_is_closed_after_an_error(build, sink):
    sink.answer("MAIL", "550 no")
    backend = build()
    with pytest.raises(smtplib.SMTPSenderRefused):
        backend.send_messages([message()])
    assert backend.connection is None


def test_a_message_for_nobody(build, sink):
    assert build().send_messages([EmailMessage("S"), message()]) == 1


def test_login():
    def check(server, session, envelope, mechanism, data):
        logins.append(data)
        good = data == LoginPassword(b"me", b"secret")
        return AuthResult(success=good, handled=good)

    logins = []
    with Sink(authenticator=check, auth_require_tls=False) as sink:
        options = {"host": "127.0.0.1", "port": sink.port, "alias": "it"}
        good = EmailBackend(username="me", password="secret", **options)
        assert good.send_messages([message()]) == 1
        assert logins == [LoginPassword(b"me", b"secret")]
        bad = EmailBackend(username="me", password="guess", **options)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            bad.send_messages([message()])
        bad.close()
        bad.fail_silently = True
        assert bad.send_messages([message()]) == 0
        bad.close()
    assert len(sink.mails) == 1


def test_the_timeout_is_the_connections(build):
    with build(timeout=17) as backend:
        assert backend.connection.timeout == 17


# TLS


def test_starttls_with_a_private_authority(mailer, starttls_sink, ca_file):
    backend = mailer(
        f"{__name__}.Private",
        host="127.0.0.1",
        port=starttls_sink.port,
        use_tls=True,
        ca_file=ca_file,
    )
    assert backend.send_messages([message()]) == 1


def test_starttls_with_an_unknown_authority(mailer, starttls_sink):
    backend = mailer(host="127.0.0.1", port=starttls_sink.port, use_tls=True)
    with pytest.raises(ssl.SSLCertVerificationError), backend:
        pass
    assert starttls_sink.mails == []


def test_no_starttls_no_mail(build, sink):
    with pytest.raises(smtplib.SMTPNotSupportedError), build(use_tls=True):
        pass
    assert sink.mails == []


def test_ssl(mailer, server_context, ca_file):
    with Sink(ssl_context=server_context) as sink:
        backend = mailer(
            f"{__name__}.Private", host="127.0.0.1", port=sink.port, use_ssl=True, ca_file=ca_file
        )
        assert backend.send_messages([message()]) == 1


def test_a_client_certificate(mailer, ca, ca_file, server_context, tmp_path, monkeypatch):
    server_context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server_context)
    cert = ca.issue_cert("client.example.test")
    cert.private_key_pem.write_to_path(tmp_path / "key.pem")
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with Sink(tls_context=server_context, require_starttls=True) as sink:
        options = {"host": "127.0.0.1", "port": sink.port, "use_tls": True}
        nobody = mailer(**options)
        with pytest.raises(OSError), nobody:  # noqa: PT011 (TLS or a closed connection)
            nobody.send_messages([message()])
        backend = mailer(
            **options,
            ssl_certfile=str(tmp_path / "cert.pem"),
            ssl_keyfile=str(tmp_path / "key.pem"),
        )
        assert backend.send_messages([message()]) == 1


# fail_silently


def test_fail_silently_hides_that_nobody_listens(mailer, closed_port):
    options = {"host": "127.0.0.1", "port": closed_port}
    assert mailer(**options, fail_silently=True).open() is None
    assert mailer(**options, fail_silently=True).send_messages([message()]) == 0
    with pytest.raises(ConnectionRefusedError):
        mailer(**options).send_messages([message()])


def test_fail_silently_hides_replies(build, sink):
    sink.answer("MAIL", "451 later")
    assert build(fail_silently=True).send_messages([message(), message()]) == 1
    sink.answer("DOT", "554 no")
    with pytest.raises(smtplib.SMTPDataError):
        build().send_messages([message()])


@pytest.mark.parametrize(
    "address", ["to@", "@", "a@b@example.test", "a@example.test, b@example.test", "nø@example.test"]
)
def test_fail_silently_hides_no_wrong_address(build, sink, address):
    with pytest.raises(ValueError):  # noqa: PT011 (Python's or ours)
        build(fail_silently=True).send_messages([message(bcc=[address])])
    assert sink.mails == []


@pytest.mark.parametrize("address", ["a\r\n@example.test", "a@example.test\r\nRCPT TO:<x@x.test>"])
def test_no_line_break_gets_into_a_command(build, sink, address):
    with pytest.raises(ValueError):  # noqa: PT011
        build().send_messages([django_mail.EmailMessage("S", "B", "f@x.test", bcc=[address])])
    assert sink.mails == []


def test_a_name_that_hides_a_header_in_a_message_of_django(build, sink):
    evil = django_mail.EmailMessage(
        "S", "B", "f@example.test", ["to@example.test"], headers={"X: y\r\nBcc": "z"}
    )
    with pytest.raises(ValueError):  # noqa: PT011
        build().send_messages([evil])
    assert sink.mails == []


# Partial refusals


def test_a_refused_recipient_does_not_vanish(build, sink):
    sink.answer("RCPT", "550 5.1.1 unknown", to="b@example.test")
    backend = build()
    assert backend.send_messages([message("a@example.test", "b@example.test"), message()]) == 2
    assert backend.refused == [{"b@example.test": (550, b"5.1.1 unknown")}, {}]


def test_all_refused(build, sink):
    sink.answer("RCPT", "550 5.1.1 unknown", to="b@example.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        build().send_messages([message("b@example.test")])


# Addresses


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a@example.test", "a@example.test"),
        ('"A, B" <a@example.test>', "a@example.test"),
        ("webmaster", "webmaster"),
        ("a@exämple.test", "a@xn--exmple-cua.test"),
        ('"a b"@example.test', '"a b"@example.test'),
    ],
)
def test_prep_address(build, address, expected):
    assert build().prep_address(address) == expected


def test_prep_address_for_smtputf8(build):
    assert build().prep_address("nø@exämple.test", force_ascii=False) == "nø@exämple.test"
