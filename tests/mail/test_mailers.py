"""The registry: which entry of MAILERS gives which backend, and which gives which error."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends import base as django_base

from mailqueue.backends import locmem, smtp
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail import InvalidMailer, MailerDoesNotExist, mailers
from tests.mail.conftest import LOCMEM


class Recorder(BaseEmailBackend):
    """Remembers the options it was built with."""

    def __init__(self, *, colour="none", **kwargs):
        super().__init__(**kwargs)
        self.colour = colour


def test_any_number_of_aliases(settings):
    settings.MAILERS = {
        "default": {"BACKEND": LOCMEM},
        "red": {"BACKEND": f"{__name__}.Recorder", "OPTIONS": {"colour": "red"}},
        "blue": {"BACKEND": f"{__name__}.Recorder", "OPTIONS": {"colour": "blue"}},
    }
    assert list(mailers) == ["default", "red", "blue"]
    assert [mailers[alias].alias for alias in mailers] == ["default", "red", "blue"]
    assert (mailers["red"].colour, mailers["blue"].colour) == ("red", "blue")
    assert mailers.default.alias == "default"


def test_membership_builds_nothing(settings):
    settings.MAILERS = {"broken": {"BACKEND": "no.such.Backend"}}
    assert "broken" in mailers
    assert "default" not in mailers


def test_an_instance_is_never_shared(outbox):
    assert mailers.default is not mailers.default


def test_get(outbox):
    assert mailers.get("other").alias == "other"
    assert mailers.get("gone") is None
    assert mailers.get("gone", 7) == 7
    assert mailers.get("gone", default=7) == 7


def test_get_hides_no_other_error(settings):
    settings.MAILERS = {"broken": {"BACKEND": "no.such.Backend"}}
    with pytest.raises(InvalidMailer):
        mailers.get("broken")


def test_backend_left_out_is_our_smtp(mailer):
    backend = mailer(host="mail.example.test")
    assert type(backend) is smtp.EmailBackend


@pytest.mark.parametrize("name", ["smtp", "console", "locmem", "dummy"])
def test_our_backends_are_djangos_to_others(mailer, name):
    options = {"host": "mail.example.test"} if name == "smtp" else {}
    backend = mailer(f"mailqueue.backends.{name}.EmailBackend", **options)
    assert isinstance(backend, django_base.BaseEmailBackend)


@pytest.mark.parametrize("alias", ["default", "gone"])
def test_empty_mailers_disable_mail(settings, alias):
    settings.MAILERS = {}
    with pytest.raises(MailerDoesNotExist, match=f"The mailer '{alias}' is not configured"):
        mailers[alias]


def test_a_missing_mailer_is_a_key_error_and_a_configuration_error(outbox):
    with pytest.raises(KeyError):
        mailers["gone"]
    with pytest.raises(InvalidMailer):
        mailers["gone"]
    assert issubclass(InvalidMailer, ImproperlyConfigured)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"BACKEND": "no.such.Backend"}, r"Could not find BACKEND 'no.such.Backend': No module"),
        ({"BACKEND": "mailqueue.backends.smtp.Gone"}, r"Could not find BACKEND .*\"Gone\""),
        ({"BACKEND": LOCMEM, "OPTIONS": {"alias": "x"}}, "OPTIONS must not define 'alias'"),
        ({"BACKEND": LOCMEM, "OPTIONS": {"colour": 1}}, "Unknown options 'colour'"),
        ({"BACKEND": LOCMEM, "OPTIONS": {"fail_silently": 1}}, "Unknown options 'fail_silently'"),
        ({"OPTIONS": {}}, "OPTIONS must define 'host'"),
        ({"OPTIONS": {"host": "x", "hots": "y"}}, "Unknown options 'hots'"),
        ({"OPTIONS": {"host": "x", "use_tls": True, "use_ssl": True}}, "'use_ssl' and 'use_tls'"),
    ],
)
def test_errors_name_the_alias(settings, entry, text):
    settings.MAILERS = {"it": entry}
    with pytest.raises(InvalidMailer, match=rf"MAILERS\['it'\]: .*{text}"):
        mailers["it"]


@pytest.mark.parametrize(
    ("options", "text"),
    [({}, "OPTIONS must define 'host'"), ({"host": "x", "hots": 1}, "Unknown options 'hots'")],
)
def test_djangos_dotted_path_has_the_same_rules_on_each_django(mailer, options, text):
    with pytest.raises(InvalidMailer, match=rf"MAILERS\['it'\]: {text}"):
        mailer("django.core.mail.backends.smtp.EmailBackend", **options)


@pytest.mark.parametrize(
    ("options", "port"), [({}, 25), ({"use_tls": True}, 587), ({"use_ssl": True}, 465)]
)
def test_djangos_dotted_path_takes_the_port_from_tls(mailer, settings, options, port):
    backend = mailer("django.core.mail.backends.smtp.EmailBackend", host="x", **options)
    assert (backend.host, backend.port, backend.alias) == ("x", port, "it")


@pytest.mark.parametrize("name", ["console", "locmem", "dummy"])
def test_djangos_other_dotted_paths(mailer, name):
    path = f"django.core.mail.backends.{name}.EmailBackend"
    assert mailer(path).alias == "it"
    with pytest.raises(InvalidMailer, match="Unknown options 'colour'"):
        mailer(path, colour=1)


def test_the_options_of_the_setting_stay_as_they_are(settings):
    options = {"colour": "red"}
    settings.MAILERS = {"it": {"BACKEND": f"{__name__}.Recorder", "OPTIONS": options}}
    _ = mailers["it"]
    assert options == {"colour": "red"}


def test_locmem_is_ours_or_djangos(mailer):
    assert isinstance(mailer(LOCMEM), locmem.EmailBackend)
