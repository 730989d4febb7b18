"""Fixtures of the mail API: MAILERS for one test, or none at all."""

import warnings

import pytest
from django.core import mail

from mailqueue.mail import mailers

LOCMEM = "mailqueue.backends.locmem.EmailBackend"


@pytest.fixture
def outbox(settings):
    """Two mailers that keep what they get, `default` and `other`, and what they got."""
    settings.MAILERS = {"default": {"BACKEND": LOCMEM}, "other": {"BACKEND": LOCMEM}}
    mail.outbox = []
    return mail.outbox


@pytest.fixture
def mailer(settings):
    """Return a function that builds the mailer of an entry, under the alias "it"."""

    def build(backend=None, **options):
        entry = (
            {"OPTIONS": options} if backend is None else {"BACKEND": backend, "OPTIONS": options}
        )
        settings.MAILERS = {"it": entry}
        return mailers["it"]

    return build


@pytest.fixture
def legacy_settings(settings):
    """Take MAILERS away; return a function that sets ``EMAIL_*`` settings."""
    del settings.MAILERS

    def define(**values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Django 6.1 tells the author of such settings
            for name, value in values.items():
                setattr(settings, name, value)

    return define
