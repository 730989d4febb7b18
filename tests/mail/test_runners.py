"""Whole test runs of a project that would send real mail: none does, on any Django.

Each runs in a process of its own, as a user's would. The SMTP mailers of the project name a port
where nobody listens, so what tries to leave the process fails the run.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SETTINGS = """
import os
import django
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
SMTP = {"host": "127.0.0.1", "port": int(os.environ.get("PORT", "1")), "timeout": 5}
MAILERS = {
    "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": {"using": "smtp"}},
    "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": SMTP},
    "django": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": SMTP},
    "left out": {"OPTIONS": SMTP},
}
ADMINS = MANAGERS = [("Boss", "boss@example.test")]
if django.VERSION >= (6, 0):
    ADMINS = MANAGERS = ["boss@example.test"]
if django.VERSION < (6, 1):
    EMAIL_BACKEND = "mailqueue.backends.mailers.EmailBackend"
"""

# Collected by Django's runner and by pytest.
TESTS = """
from django.core import mail as django_mail
from django.test import SimpleTestCase, override_settings
from mailqueue import mail
from mailqueue.backends import dummy, smtp
from mailqueue.mail import InvalidMailer, MailerDoesNotExist, mailers

SMTP = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}}
DUMMY = {"BACKEND": "mailqueue.backends.dummy.EmailBackend"}


class Tests(SimpleTestCase):
    def send(self, using=None):
        return mail.send_mail("S", "B", None, ["a@example.test"], using=using)

    def test_each_mailer_keeps_its_mail_here(self):
        for alias in ["default", "smtp", "django", "left out"]:
            self.assertEqual(self.send(alias), 1)
        self.send()
        sent = [message.sent_using for message in mail.outbox]
        self.assertEqual(sent, ["default", "smtp", "django", "left out", "default"])
        self.assertIs(mail.outbox, django_mail.outbox)

    def test_the_outbox_starts_empty(self):
        self.assertEqual(mail.outbox, [])
        self.send()

    def test_the_outbox_starts_empty_again(self):
        self.assertEqual(mail.outbox, [])
        self.send()

    def test_another_setting_changes_nothing(self):
        with override_settings(DEFAULT_FROM_EMAIL="other@example.test"):
            self.send("smtp")
        self.assertEqual(mail.outbox[0].from_email, "other@example.test")

    def test_options_are_not_checked(self):
        self.assertEqual(mailers["smtp"].alias, "smtp")
        with self.assertRaises(MailerDoesNotExist):
            mailers["gone"]

    def test_what_a_test_brings_in_is_real(self):
        from django.conf import settings
        with override_settings(MAILERS={**settings.MAILERS, "own": DUMMY, "real": SMTP}):
            self.assertIs(type(mailers["own"]), dummy.EmailBackend)
            self.assertIs(type(mailers["real"]), smtp.EmailBackend)
            self.assertEqual(self.send("own"), 1)
            self.assertEqual(mail.outbox, [])
            self.send("smtp")
            self.assertEqual(mail.outbox[0].sent_using, "smtp")
            with override_settings(DEBUG=True):
                self.assertIs(type(mailers["own"]), dummy.EmailBackend)

    def test_what_looks_like_the_projects_is_real_too(self):
        with override_settings(MAILERS={"left out": {"OPTIONS": {"port": 1}}}):
            with self.assertRaises(InvalidMailer):
                mailers["left out"]


def test_the_fixture_of_pytest(settings, mailoutbox):
    mail.send_mail("S", "B", None, ["a@example.test"])
    assert [message.sent_using for message in mailoutbox] == ["default"]
    settings.MAILERS = {**settings.MAILERS, "own": DUMMY}
    mail.send_mail("S", "B", None, ["a@example.test"], using="own")
    mail.send_mail("S", "B", None, ["a@example.test"], using="smtp")
    assert [message.sent_using for message in mailoutbox] == ["default", "smtp"]
"""

# The same outside of a test run: the mailers are real.
REAL = """
import django
django.setup()
from mailqueue.backends import smtp
from mailqueue.mail import mailers, send_mail
import django.test.utils
assert type(mailers["smtp"]) is smtp.EmailBackend
try:
    send_mail("S", "B", None, ["a@example.test"], using="smtp")
except OSError:
    print("tried to send")
"""

# All ways to send, the project's and those of other people's code.
SENDING = """
import django
django.setup()
from django.conf import settings
queue = settings.MAILERS["default"]
settings.MAILERS = {**settings.MAILERS, "default": settings.MAILERS["smtp"], "queue": queue}
from django.core import mail as django_mail
from mailqueue import mail
args = ("S", "B", "f@example.test", ["a@example.test"])
for using in [None, "smtp", "django", "left out"]:
    assert mail.send_mail(*args, html_message="<p>", using=using) == 1
    assert mail.send_mass_mail([args, args], using=using) == 2
    mail.mail_admins("S", "B", using=using)
    mail.mail_managers("S", "B", using=using)
    assert mail.EmailMessage(*args, cc=["c@example.test"]).send(using=using) == 1
    mailer = mail.mailers[using or "default"]
    with mailer as opened:
        opened.send_messages([mail.EmailMultiAlternatives(*args)])
assert django_mail.send_mail(*args) == 1
assert django_mail.EmailMessage(*args).send() == 1
django_mail.mail_admins("S", "B")

from mailqueue.testing import queue_in_memory
with queue_in_memory() as deliver:
    assert mail.send_mail(*args, using="queue") == 1
    assert deliver() == 1
print("sent")
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project_settings.py").write_text(SETTINGS)
    (tmp_path / "test_project.py").write_text(TESTS)
    return tmp_path


def run(project, *arguments, port=1):
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=project,
        env={
            "PYTHONPATH": f"{project}:{ROOT}",
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "PORT": str(port),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_djangos_runner(project):
    assert "Ran 7 tests" in run(project, "-m", "django", "test")


def test_pytest_django(project):
    output = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:pytest-celery")
    assert "8 passed" in output


def test_outside_of_a_test_run_mail_leaves(project):
    assert run(project, "-c", REAL) == "tried to send\n"


def test_sending_warns_about_nothing(project, sink):
    assert run(project, "-c", SENDING, port=sink.port) == "sent\n"
    assert len(sink.mails) == 4 * 7 + 3 + 1
