"""What the tables of the guides name of another package is there."""

import re

import pytest

from tests.environments import environment_with
from tests.guides.pages import page

CALLED = {
    "django-celery-email": ("django-celery-email-reboot", "djcelery_email"),
    "django-post-office": ("django-post_office", "post_office"),
    "django-mailer": ("django-mailer", "mailer"),
}
# Of Celery and Django, or parts of a setting of the package.
OTHERS = {"EMAIL_HOST", "CELERY_EMAIL"}


@pytest.mark.parametrize("guide", CALLED)
def test_each_setting_is_one_of_the_package(guide: str) -> None:
    package, module = CALLED[guide]
    python = environment_with("6.1", package)
    [folder] = python.parents[1].glob(f"lib/*/site-packages/{module}")
    code = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    rows = re.findall(r"^\| (.*?) \|", page(f"moving-from-{guide}"), re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([A-Z_]{6,})`", row)} - OTHERS
    assert len(names) > 4
    # appconf's names lack their prefix in the code
    short = {name.removeprefix("CELERY_EMAIL_") for name in names}
    assert {name for name in short if name not in code} == set()
