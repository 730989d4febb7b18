"""With and without the app of the database level."""

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from mailqueue.ledger.looking import oldest
from mailqueue.ledger.models import Entry
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


ADMIN = """
import sys
import django
from django.conf import settings
settings.configure(SECRET_KEY="x", INSTALLED_APPS={apps}, MAILERS={mailers}, STATIC_URL="/")
django.setup()
from django.apps import apps
from django.contrib import admin
print("mailqueue.admin" in sys.modules, "mailqueue.ledger.models" in sys.modules)
known = admin.site._registry if apps.is_installed("django.contrib.admin") else ()
print([model.__name__ for model in known if model.__module__.startswith("mailqueue")])
"""
CONTRIB = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages")]


@pytest.mark.parametrize(
    ("apps", "found"),
    [
        (["mailqueue", "mailqueue.ledger"], "False True\n[]\n"),
        ([*CONTRIB, "mailqueue"], "True False\n[]\n"),
        ([*CONTRIB, "mailqueue", "mailqueue.ledger"], "True True\n['Entry']\n"),
        (["mailqueue.ledger", "mailqueue", *CONTRIB], "True True\n['Entry']\n"),
    ],
)
def test_the_admin_has_the_ledger_where_a_project_has_both(apps, found):
    program = ADMIN.format(apps=apps, mailers=mailers_for(1, ledger=None))
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == found


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
    if not installed:
        settings.INSTALLED_APPS = [
            name for name in settings.INSTALLED_APPS if name != "mailqueue.ledger"
        ]
    settings.MAILERS = mailers_for(1, **options)
    with project_app(broker):
        assert ("mailqueue.W003" in [found.id for found in run_checks()]) is warned


def test_purge_leaves_attachments_that_a_kept_mail_may_need(project):
    project.send()
    queued = Entry.objects.get().queued_at
    assert oldest() == queued
    project.work()
    assert oldest() is None
