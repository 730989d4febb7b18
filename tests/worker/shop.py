"""A Django project in a folder, as a user would write it, and its worker processes."""

import os
import subprocess
import sys
from pathlib import Path

from mailqueue.demo.sink import Sink
from tests.procnodes import Process, worker_command

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

    def worker(self, app: str, *arguments: str) -> Process:
        command = worker_command(app, "-c", "1", "-l", "INFO", *arguments)
        return Process("worker", command, cwd=self.folder, env=self.env)

    def deliver(self, sink: Sink, app: str, *arguments: str) -> Process:
        """Send a mail, wait until a worker has delivered it, and return the ended worker."""
        worker = self.worker(app, *arguments)
        try:
            self.send()
            sink.wait(lambda: sink.copies()["b@x.test"] == 1)
        finally:
            worker.remove()
        return worker

    def send(self, script: str = SEND) -> None:
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            cwd=self.folder,
            env={**os.environ, **self.env},
            check=True,
        )
