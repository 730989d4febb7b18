"""Checks of EMAIL_BACKEND and its like, beside MAILERS or in its place."""

import pytest
from django.conf import global_settings
from django.core.checks.registry import registry
from django.core.mail.backends.locmem import EmailBackend

from mailqueue import checks, compat
from mailqueue.checks import TAG, legacy
from mailqueue.mail import InvalidMailer, get_connection
from tests.checks.mailers import QUEUE, queue, smtp
from tests.mail.conftest import legacy_settings as legacy_settings

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
MAILERS = {"default": queue("smtp"), "smtp": smtp()}
OLDER = pytest.mark.skipif(compat.HAS_MAILERS, reason="Django itself does not start with both")


class Derived(EmailBackend):
    """A backend of somebody else."""


def ours():
    """Return what our checks find; Django's own cannot be asked when a test takes MAILERS away."""
    ours = [each for each in registry.get_checks() if each.__module__.startswith(checks.__name__)]
    return [found for check in ours if TAG in check.tags for found in check(app_configs=None)]


@pytest.mark.parametrize("path", [QUEUE, compat.BRIDGE])
def test_a_backend_that_needs_mailers(legacy_settings, path):
    legacy_settings(EMAIL_BACKEND=path)
    [error] = ours()
    assert error.id == "mailqueue.E007"
    assert error.msg.endswith(f"must be a backend that needs no entry of MAILERS, got '{path}'.")
    assert f'MAILERS = {{"default": {{"BACKEND": "{QUEUE}", "OPTIONS": ' in error.hint
    assert (compat.BRIDGE in error.hint) is not compat.HAS_MAILERS


def test_what_to_write_instead_is_right(found):
    names = {}
    exec(legacy.MAILERS.replace("...", '"x"'), names)
    assert found(names["MAILERS"], deploy=True) == []


def test_mail_that_is_sent_through_it_is_told_where_to_look(legacy_settings):
    legacy_settings(EMAIL_BACKEND=QUEUE)
    with pytest.raises(InvalidMailer, match=r"needs an entry of MAILERS .* check' says what to"):
        get_connection()


def test_another_backend_without_mailers(legacy_settings):
    legacy_settings(EMAIL_BACKEND=f"{__name__}.Derived")
    assert ours() == []


@OLDER
@pytest.mark.parametrize("name", ["EMAIL_HOST", "EMAIL_BACKEND"])
def test_settings_beside_mailers(settings, name):
    settings.MAILERS = MAILERS
    setattr(settings, name, "x")
    [error] = ours()
    assert error.id == "mailqueue.E008"
    assert error.msg.endswith(f"not allowed when MAILERS is defined: {name}.")


@OLDER
def test_the_queue_as_email_backend_beside_mailers(settings):
    settings.MAILERS = MAILERS
    settings.EMAIL_BACKEND = QUEUE
    assert {each.id for each in ours()} == {"mailqueue.E007", "mailqueue.E008"}


@OLDER
def test_a_django_that_goes_past_mailers(unlike_tests, settings):
    settings.MAILERS = MAILERS
    [warning] = ours()
    assert warning.id == "mailqueue.W004"
    assert "goes past it" in warning.msg
    assert f'EMAIL_BACKEND = "{compat.BRIDGE}"' in warning.hint
    settings.EMAIL_BACKEND = compat.BRIDGE
    assert ours() == []


@pytest.mark.skipif(not compat.HAS_MAILERS, reason="older ones do not read MAILERS")
def test_a_django_that_reads_mailers_needs_no_bridge(unlike_tests, settings):
    settings.MAILERS = MAILERS
    assert ours() == []


@pytest.fixture
def unlike_tests(monkeypatch):
    """Take away the EMAIL_BACKEND of the test runner, which is Django's locmem."""
    default = global_settings.EMAIL_BACKEND
    monkeypatch.setattr(compat.settings._wrapped, "EMAIL_BACKEND", default, raising=False)
