"""The line of settings that brings mail of other people's code to MAILERS."""

import django.core.mail
import pytest
from django.test import override_settings

from mailqueue import compat, mail
from mailqueue.mail import InvalidMailer, get_connection, mailers
from tests.mail.conftest import LOCMEM

pytestmark = pytest.mark.skipif(
    compat.HAS_MAILERS, reason="from 6.1 Django's own functions use MAILERS"
)
ARGS = ("S", "B", "f@example.test", ["to@example.test"])


@pytest.fixture
def bridge(outbox, settings):
    settings.EMAIL_BACKEND = compat.BRIDGE
    return outbox


def test_send_mail_of_django(bridge):
    assert django.core.mail.send_mail(*ARGS) == 1
    assert django.core.mail.EmailMessage(*ARGS).send() == 1
    assert [sent.sent_using for sent in bridge] == ["default", "default"]


def test_one_connection_of_django(bridge, settings):
    with django.core.mail.get_connection() as connection:
        assert connection.send_messages([django.core.mail.EmailMessage(*ARGS)] * 2) == 2
    assert len(bridge) == 2


def test_login_and_fail_silently_reach_the_mailer(settings):
    settings.EMAIL_BACKEND = compat.BRIDGE
    settings.MAILERS = {"default": {"OPTIONS": {"host": "x"}}}
    connection = django.core.mail.get_connection(username="me", password="p", fail_silently=True)
    backend = connection.backend
    assert (backend.username, backend.password, backend.fail_silently) == ("me", "p", True)


def test_what_was_not_given_leaves_the_options_alone(settings, sink):
    options = {"host": "127.0.0.1", "port": sink.port, "fail_silently": True, "username": "me"}
    settings.EMAIL_BACKEND = compat.BRIDGE
    settings.MAILERS = {"default": {"OPTIONS": options}}
    backend = django.core.mail.get_connection(username=None, password=None).backend
    assert (backend.username, backend.fail_silently) == ("me", True)


def test_our_functions_do_not_pass_it(bridge):
    assert mail.send_mail(*ARGS) == 1
    assert mailers.default.alias == "default"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_it_needs_mailers(legacy_settings):
    legacy_settings(EMAIL_BACKEND=compat.BRIDGE)
    with pytest.raises(InvalidMailer, match="beside MAILERS"):
        get_connection()


def test_it_is_no_entry_of_mailers(settings):
    with (
        override_settings(MAILERS={"default": {"BACKEND": compat.BRIDGE}}),
        pytest.raises(InvalidMailer),
    ):
        _ = mailers.default


def test_the_name_of_locmem():
    assert compat.backend_path(compat.LOCMEM) == LOCMEM
