"""What the guides for moving show holds; `make moving` tries it on the packages themselves."""

import ast
import textwrap
from typing import Any

import pytest

from mailqueue.mail import mailers
from tests.guides.pages import block, page, run

GUIDES = [
    "moving-from-django-celery-email",
    "moving-from-django-mailer",
    "moving-from-django-post-office",
]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_settings_after_the_switch_make_mailers(guide: str, settings: Any) -> None:
    shown = run(guide, "# after")
    settings.MAILERS = shown["MAILERS"]
    made = [type(mailers[alias]).__module__ for alias in mailers]
    assert made[0] == "mailqueue.backends.queue"
    assert made[1].endswith(".backends.smtp")
    assert "mailqueue" in shown["INSTALLED_APPS"]


@pytest.mark.parametrize("guide", GUIDES)
def test_older_djangos_lead_to_mailers(guide: str) -> None:
    shown = run(guide, "# Django 5.2 and 6.0", POST_OFFICE={})
    assert shown["EMAIL_BACKEND"] == "mailqueue.backends.mailers.EmailBackend"


def test_the_code_that_queues_rows_anew_can_be_read() -> None:
    code = textwrap.dedent(block("moving-from-django-mailer", "row.delete()"))
    assert "with transaction.atomic():" in page("moving-from-django-mailer")
    assert ast.parse(code)
