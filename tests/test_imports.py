"""What a process has imported, and what has to wait for an import: each in a process of its own."""

import os
import subprocess
import sys

import pytest
from celery import signals

START = """
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["mailqueue"],
    MAILERS={
        "default": {
            "BACKEND": "mailqueue.backends.queue.EmailBackend",
            "OPTIONS": {"using": "memory", "ledger": None},
        },
        "memory": {"BACKEND": "mailqueue.backends.locmem.EmailBackend"},
    },
    CELERY_BROKER_URL="memory://",
    CELERY_TASK_ALWAYS_EAGER=%r,
)
django.setup()

def ours():
    return {name for name in sys.modules if name.startswith("mailqueue.")}

def send():
    from mailqueue.mail import send_mail

    assert send_mail("subject", "text", "ann@example.test", ["ben@example.test"]) == 1

"""
SENDER = """
for name in ("bootsteps", "checks.entries", "delivery", "ledger.table", "smtp", "tasks.run"):
    assert f"mailqueue.{name}" not in sys.modules, name
assert "celery.worker.control" not in sys.modules

known = ours()
send()
assert ours() - known == {"mailqueue.backends.locmem"}  # it is asked which addresses it takes
"""
WORKER = """
from types import SimpleNamespace

from mailqueue import tasks
from mailqueue.broker.app import carrier

tasks.worker_starts(SimpleNamespace(app=carrier()))
known = ours()
send()
from django.core import mail
assert len(mail.outbox) == 1
assert ours() - known == set()
"""
WITHOUT_CELERY = """
import sys

from django.conf import settings

class Missing:
    def find_spec(self, name, *args):
        if name.partition(".")[0] in ("celery", "kombu", "redis", "amqp"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
settings.configure(
    SECRET_KEY="x", MAILERS={"default": {"BACKEND": "mailqueue.backends.locmem.EmailBackend"}}
)
import mailqueue.backends.smtp
from mailqueue import mail

assert mail.send_mail("subject", "text", "ann@example.test", ["ben@example.test"]) == 1
assert len(mail.outbox) == 1
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)


def test_who_sends_has_imported_what_that_takes_and_no_more() -> None:
    run(START % False + SENDER)


def test_a_worker_has_imported_all_before_its_first_mail() -> None:
    run(START % True + WORKER)


def test_a_worker_that_lacks_a_part_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mailqueue.tasks.prepare", None)
    with pytest.raises(SystemExit, match=r"^mailqueue: .*tasks\.prepare"):
        signals.celeryd_init.send(sender=None, instance=None)


def test_the_mail_api_needs_no_celery() -> None:
    run(WITHOUT_CELERY)
