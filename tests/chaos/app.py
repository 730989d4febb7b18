"""The project's own Celery app, as Celery's guide for Django makes it, and two tasks of its own."""

import time
from pathlib import Path

import django
from celery import Celery

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
django.setup()


@app.task(name="project.sleep")
def sleep(seconds: float) -> None:
    time.sleep(seconds)


@app.task(name="project.note")
def note(path: str, text: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{text}\n")
