"""Whole projects, as the README describes them, with a worker process of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.procnodes import Process
from tests.services import queue_on

SETTINGS = """
SECRET_KEY = "key"
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
CELERY_BROKER_URL = "{broker_url}"
MAILERS = {{
    "default": {{
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {{"using": "{using}", "queue": "{queue}"}},
    }},
    "smtp": {{
        "BACKEND": "mailqueue.backends.smtp.EmailBackend",
        "OPTIONS": {{"host": "127.0.0.1", "port": {port}, "timeout": 30}},
    }},
}}
"""
OWN_APP = """
from celery import Celery

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
SEND = """
import django; django.setup()
from mailqueue.mail import send_mail
assert send_mail("Hello", "body", "a@x.test", ["b@x.test"]) == 1
"""


class Project:
    """A folder with a Django project in it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.env = {
            "DJANGO_SETTINGS_MODULE": f"{name}.settings",
            "PYTHONPATH": ":".join([str(folder), *sys.path]),
        }

    def write(self, **files: str) -> None:
        (self.folder / self.name).mkdir()
        for stem, text in ({"__init__": ""} | files).items():
            (self.folder / self.name / f"{stem}.py").write_text(text)

    def worker(self, app: str) -> Process:
        command = [sys.executable, "-m", "celery", "-A", app, "worker", "-c", "1", "-l", "INFO"]
        return Process("worker", command, cwd=self.folder, env=self.env)

    def send(self) -> None:
        subprocess.run(
            [sys.executable, "-W", "error", "-c", SEND],
            cwd=self.folder,
            env={**os.environ, **self.env},
            check=True,
        )


@pytest.fixture
def project(tmp_path, redis_url, sink) -> Iterator[tuple[Project, dict[str, object]]]:
    with queue_on(redis_url) as queue:
        name = f"shop{queue.rpartition('-')[2]}"
        values = {"broker_url": redis_url, "queue": queue, "port": sink.port, "using": "smtp"}
        yield Project(tmp_path, name), values


def test_a_project_without_celery_needs_settings_alone(project, sink):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values))
    worker = shop.worker("worker")
    try:
        shop.send()
        sink.wait(lambda: sink.copies()["b@x.test"] == 1)
    finally:
        worker.remove()


def test_a_project_with_celery_needs_to_discover_tasks(project, sink):
    shop, values = project
    shop.write(
        __init__="from .celery import app as celery_app\n",
        settings=SETTINGS.format(**values),
        celery=OWN_APP,
    )
    worker = shop.worker(shop.name)
    try:
        shop.send()
        sink.wait(lambda: sink.copies()["b@x.test"] == 1)
    finally:
        worker.remove()


def test_a_worker_without_secret_key_does_not_start(project):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values).replace('SECRET_KEY = "key"', ""))
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert "SECRET_KEY" in worker.logs().decode()


@pytest.mark.parametrize("using", ["gone", "default"])
def test_a_worker_with_wrong_mailers_does_not_start(project, using):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values | {"using": using}))
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert "MAILERS['default']: 'using' must" in worker.logs().decode()
