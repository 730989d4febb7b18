"""A Django project in a folder with its workers, and `manage.py mailqueue doctor` in it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailqueue import compat
from tests.procnodes import Process
from tests.waiting import until
from tests.worker.shop import OWN_APP, Project

KEY = "the key of sender and worker"
CRYPT = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SETTINGS = """
SECRET_KEY = {key!r}
USE_TZ = True
INSTALLED_APPS = {apps!r}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}}
CELERY_BROKER_URL = {broker_url!r}
STORAGES = {storages!r}
MAILERS = {mailers!r}
"""
FILES = "django.core.files.storage.FileSystemStorage"


def queue_to(using: str, queue: str, **options: Any) -> dict[str, Any]:
    """Return the entry of a queue mailer."""
    options = {"using": using, "queue": queue, **options}
    return {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}


def smtp(port: int, **options: Any) -> dict[str, Any]:
    """Return the entry of an SMTP mailer."""
    options = {"host": "127.0.0.1", "port": port, "timeout": 5, **options}
    return {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": options}


class Shop(Project):
    """The project; its name is that of the queue, so that no other one is imported."""

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        queue: str,
        mailers: dict[str, Any],
        *,
        ledger: bool = False,
    ) -> None:
        super().__init__(folder, f"shop{queue.rpartition('-')[2]}")
        apps = ["mailqueue", "mailqueue.ledger"] if ledger else ["mailqueue"]
        self.values = {
            "key": KEY,
            "apps": apps,
            "database": str(folder / "shop.sqlite3"),
            "broker_url": broker_url,
            "storages": {
                "default": {"BACKEND": FILES},
                "files": {"BACKEND": FILES, "OPTIONS": {"location": str(folder / "files")}},
            },
            "mailers": mailers,
        }
        bridge = "" if compat.HAS_MAILERS else f"EMAIL_BACKEND = {compat.BRIDGE!r}\n"
        self.write(
            settings=SETTINGS.format(**self.values) + bridge,
            celery=OWN_APP,
        )

    def also(self, stem: str, text: str) -> None:
        """Write one more module."""
        (self.folder / self.name / f"{stem}.py").write_text(text)

    def worker_with(self, settings: str, app: str, node: str, queue: str) -> Process:
        """Start a worker with other settings, and a name that is its own on this broker."""
        command = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", node, "-c", "1"]
        env = {**self.env, "DJANGO_SETTINGS_MODULE": f"{self.name}.{settings}"}
        log = f"{node}-{uuid.uuid4().hex}"
        return Process(log, [*command, "-l", "INFO", "-Q", queue], cwd=self.folder, env=env)

    def manage(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env, **env},
            capture_output=True,
            text=True,
        )

    def doctor(self, *arguments: str, **env: str) -> tuple[int, list[dict[str, Any]]]:
        """Ask the doctor; return status and findings."""
        done = self.manage("mailqueue", "doctor", "--json", *arguments, **env)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    @contextmanager
    def workers(self, *started: Process) -> Iterator[None]:
        """Wait until workers are ready; end them afterwards."""
        try:
            for worker in started:
                until(lambda worker=worker: b" ready." in worker.logs() or died(worker))
            yield
        finally:
            for worker in started:
                worker.remove()


def died(worker: Process) -> bool:
    assert worker.popen.poll() is None, worker.logs().decode()
    return False
