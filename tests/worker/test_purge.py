"""`manage.py mailqueue purge` deletes stored attachments that no mail can need any more."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils.timezone import now

from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publisher
from mailqueue.control import pause, resume
from mailqueue.errors import EncodeError
from mailqueue.ledger.models import Entry
from mailqueue.mail import mailers
from mailqueue.scheduling import queue_options
from tests.worker.project import project_settings

MAX_AGE = 3 * 86400


def stored(folder: Path, age: int) -> Path:
    day = (datetime.now(UTC) - timedelta(days=age)).date().isoformat()
    path = folder / "mailqueue" / day / f"{'0' * 32}-{'0' * 64}"
    path.parent.mkdir(parents=True)
    path.write_text("content")
    return path


@pytest.fixture(params=[None, "database"])
def project(request, celery_of_project, queue, tmp_path, transactional_db) -> Iterator[str]:
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    options = {"attachments": "mail", "inline_limit": 10, "ledger": request.param}
    with (
        override_settings(STORAGES={"mail": storage}),
        project_settings(queue, 25, retry={"max_age": MAX_AGE}, **options),
    ):
        yield queue


def purge() -> str:
    out = StringIO()
    call_command("mailqueue", "purge", stdout=out)
    return out.getvalue()


def with_attachment(**wishes: object) -> EmailMessage:
    message = EmailMessage("s", "b", "me@x.test", ["jo@x.test"])
    message.attach("a.txt", "x" * 100, "text/plain")
    return queue_options(message, **wishes)


def test_only_what_is_older_than_every_mail_goes(project, tmp_path):
    old, young = stored(tmp_path, age=5), stored(tmp_path, age=4)
    assert purge() == "mail: 1 attachments deleted\n"
    assert (old.exists(), young.exists()) == (False, True)


def test_what_a_dead_letter_of_the_broker_needs_stays(project, tmp_path):
    old, needed = stored(tmp_path, age=20), stored(tmp_path, age=13)
    letter = DeadLetter(content="x", reason="no mailbox", died_at=time.time() - 7 * 86400)
    park(letter, publisher(), queue=project)
    purge()
    assert (old.exists(), needed.exists()) == (False, True)
    park(DeadLetter(content="x", reason="nobody knows when", died_at=0), publisher(), queue=project)
    assert purge() == "mail: 0 attachments deleted\n"


def test_what_waits_for_a_paused_mailer_keeps_its_contents(project, tmp_path):
    """Of the broker's mail nobody knows how old it is."""
    pause("default")
    old, needed = stored(tmp_path, age=9), stored(tmp_path, age=5)
    try:
        purge()
        assert (old.exists(), needed.exists()) == (False, True)
    finally:
        resume("default")
    purge()
    assert not needed.exists()


@pytest.mark.parametrize("project", ["database"], indirect=True)
def test_what_a_kept_mail_needs_stays_also_over_midnight(project, tmp_path):
    """The content is stored a moment before the row is written, which may be another day."""
    mailers.default.send_messages([with_attachment(send_at=now() + timedelta(days=30))])
    Entry.objects.update(queued_at=now() - timedelta(days=19))
    old, needed = stored(tmp_path, age=25), stored(tmp_path, age=20)
    purge()
    assert (old.exists(), needed.exists()) == (False, True)


@pytest.mark.parametrize("project", [None], indirect=True)
def test_what_the_broker_alone_keeps_cannot_wait_longer_than_its_contents(project):
    with pytest.raises(EncodeError, match="'send_at' is further away than 'max_age'"):
        mailers.default.send_messages([with_attachment(send_at=now() + timedelta(days=4))])
    assert mailers.default.send_messages([with_attachment(send_at=now() + timedelta(days=2))]) == 1


def test_an_action_is_required():
    with pytest.raises(CommandError):
        call_command("mailqueue")
