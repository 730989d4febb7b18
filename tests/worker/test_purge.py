"""`manage.py mailqueue purge` deletes stored attachments that no living mail can claim."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.worker.project import project_settings


def stored(folder, age: int) -> object:
    day = (datetime.now(UTC) - timedelta(days=age)).date().isoformat()
    path = folder / "mailqueue" / day / f"{'0' * 32}-{'0' * 64}"
    path.parent.mkdir(parents=True)
    path.write_text("content")
    return path


@pytest.mark.django_db
def test_only_what_is_older_than_every_mail_goes(tmp_path):
    old, young = stored(tmp_path, age=5), stored(tmp_path, age=4)
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    out = StringIO()
    with (
        override_settings(STORAGES={"mail": storage}),
        project_settings("q", 25, attachments="mail", retry={"max_age": 3 * 86400}),
    ):
        call_command("mailqueue", "purge", stdout=out)
    assert (old.exists(), young.exists()) == (False, True)
    assert out.getvalue() == "mail: 1 attachments deleted\n"


def test_an_action_is_required():
    with pytest.raises(CommandError):
        call_command("mailqueue")
