"""With and without the app of the database level."""

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from mailqueue.ledger.models import Entry
from mailqueue.mail import mailers
from tests.ledger.projects import mailers_for, message
from tests.project_app import project_app

WITHOUT = """
import sys
import django
from django.conf import settings
settings.configure(SECRET_KEY="x", INSTALLED_APPS=["mailqueue"], MAILERS={mailers})
django.setup()
import mailqueue.bootsteps.relay, mailqueue.enqueue, mailqueue.relay, mailqueue.tasks
from mailqueue.mail import mailers
mailers.default
assert "mailqueue.ledger.models" not in sys.modules
"""


def test_without_the_app_no_model_is_imported():
    program = WITHOUT.format(mailers=mailers_for(1))
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)


def test_no_migration_is_missing(table):
    call_command("makemigrations", "mailqueue_ledger", check=True, verbosity=0)


def test_the_relay_command_rings_for_what_is_due(project):
    project.send(message(), message())
    project.take()
    out = StringIO()
    call_command("mailqueue", "relay", once=True, stdout=out)
    assert out.getvalue() == f"mail is due on {project.queue}\n"
    project.work()
    assert len(project.sink.mails) == 2


def test_the_relay_command_needs_the_app(settings):
    settings.INSTALLED_APPS = ["mailqueue"]
    with pytest.raises(CommandError, match="INSTALLED_APPS"):
        call_command("mailqueue", "relay", once=True)


@pytest.mark.parametrize(
    ("broker", "installed", "options", "warned"),
    [
        ("redis://x/0", False, {}, True),
        ("redis://x/0", False, {"ledger": None}, False),
        ("redis://x/0", True, {}, False),
        ("amqp://x//", False, {}, False),
    ],
)
def test_mail_that_redis_alone_keeps_is_warned_of(settings, broker, installed, options, warned):
    settings.INSTALLED_APPS = ["mailqueue", *(["mailqueue.ledger"] if installed else [])]
    settings.MAILERS = mailers_for(1, **options)
    with project_app(broker):
        assert ("mailqueue.W003" in [found.id for found in run_checks()]) is warned


def test_purge_leaves_attachments_that_a_kept_mail_may_need(project):
    project.send()
    ledger = mailers.default.lane.ledger
    queued = Entry.objects.get().queued_at
    assert ledger.oldest() == queued
    project.work()
    assert ledger.oldest() is None
