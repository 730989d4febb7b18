"""Projects without MAILERS: ``EMAIL_*`` settings, as on Django 6.1."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from mailqueue import compat, mail
from mailqueue.backends import filebased, locmem, smtp, smtp_connection
from mailqueue.mail import EmailMessage, MailerDoesNotExist, get_connection, mailers, send_mail
from tests.mail.conftest import LOCMEM

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
SMTP = "mailqueue.backends.smtp.EmailBackend"


def test_the_default_mailer_is_email_backend(legacy_settings):
    legacy_settings(EMAIL_BACKEND=LOCMEM)
    mail.outbox = []
    assert type(mailers.default) is locmem.EmailBackend
    assert mailers.default.alias is None
    assert send_mail("S", "B", None, ["a@example.test"]) == 1
    assert EmailMessage(to=["a@example.test"]).send() == 1
    assert [sent.sent_using for sent in mail.outbox] == [None, None]


def test_there_is_no_other_mailer(legacy_settings):
    legacy_settings(EMAIL_BACKEND=LOCMEM)
    assert list(mailers) == []
    with pytest.raises(MailerDoesNotExist):
        mailers["other"]


def test_smtp_settings(legacy_settings):
    values = {
        "EMAIL_HOST": "mail.example.test",
        "EMAIL_PORT": 2525,
        "EMAIL_HOST_USER": "me",
        "EMAIL_HOST_PASSWORD": "secret",
        "EMAIL_USE_TLS": True,
        "EMAIL_TIMEOUT": 7,
        "EMAIL_SSL_KEYFILE": "k",
        "EMAIL_SSL_CERTFILE": "c",
    }
    legacy_settings(EMAIL_BACKEND=SMTP, **values)
    backend = mailers.default
    given = smtp_connection.SETTING_OF_OPTION.items()
    assert {name: getattr(backend, option) for option, name in given} == {
        **values,
        "EMAIL_USE_SSL": False,
    }
    assert smtp.EmailBackend(host="other", port=26, username="", timeout=8).__dict__.items() >= {
        "host": "other", "port": 26, "username": "", "timeout": 8, "password": "secret",
    }.items()  # fmt: skip


def test_tls_and_ssl(legacy_settings):
    legacy_settings(EMAIL_BACKEND=SMTP, EMAIL_USE_TLS=True, EMAIL_USE_SSL=True)
    with pytest.raises(ValueError, match="mutually exclusive"):
        _ = mailers.default


def test_file_path(legacy_settings, tmp_path):
    legacy_settings(
        EMAIL_BACKEND="mailqueue.backends.filebased.EmailBackend", EMAIL_FILE_PATH=tmp_path / "m"
    )
    assert mailers.default.file_path == str(tmp_path / "m")
    legacy_settings(EMAIL_FILE_PATH=None)
    with pytest.raises(ImproperlyConfigured, match="EMAIL_FILE_PATH"):
        _ = mailers.default


def test_a_path_that_is_no_folder(legacy_settings, tmp_path):
    legacy_settings()
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="is not a directory"):
        filebased.EmailBackend(file_path=tmp_path / "file")


def test_they_are_gone_beside_mailers(settings):
    settings.MAILERS = {"default": {"BACKEND": LOCMEM}}
    with pytest.raises(AttributeError, match="EMAIL_PORT setting is not available when MAILERS"):
        smtp.EmailBackend(host="x")


def test_get_connection_takes_a_path(legacy_settings):
    legacy_settings(EMAIL_BACKEND=SMTP)
    assert type(get_connection(LOCMEM)) is locmem.EmailBackend
    assert type(get_connection()) is smtp.EmailBackend
    assert get_connection(fail_silently=True).fail_silently is True
    assert get_connection(LOCMEM, colour="unknown").alias is None


@pytest.mark.skipif(compat.HAS_MAILERS, reason="Django itself refuses to start")
@pytest.mark.parametrize("name", compat.LEGACY_SETTINGS)
def test_both_are_refused(name):
    with (
        override_settings(MAILERS={"default": {"BACKEND": LOCMEM}}, **{name: "x"}),
        pytest.raises(ImproperlyConfigured, match=f"not allowed when MAILERS is defined: {name}"),
    ):
        _ = mailers.default
