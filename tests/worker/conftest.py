"""A project with a Celery app of its own."""

from collections.abc import Iterator

import pytest
from celery import Celery
from django.test import override_settings

from mailqueue.broker.publish import Publisher, publisher_of
from mailqueue.options import QueueOptions
from tests.project_app import project_app
from tests.services import queue_on
from tests.worker.deployment import KEY
from tests.worker.project import dead, project_settings


@pytest.fixture
def celery_of_project(broker_url):
    """The project's own Celery app, as the current one."""
    with project_app(broker_url) as app:
        yield app


@pytest.fixture
def unclaimed(celery_of_project, broker_url, monkeypatch):
    """Give the dead letters of what came by no queue: they are on the default queue's.

    That is one of the test's own, since others may run at the same time.
    """
    with queue_on(broker_url) as name:
        monkeypatch.setattr(QueueOptions, "DEFAULT_QUEUE", name)
        yield lambda: dead(name)


@pytest.fixture
def kept(celery_of_project, queue, sink, unclaimed):
    """A project whose mail the ledger keeps."""
    with project_settings(queue, sink.port, ledger="database"):
        yield queue


@pytest.fixture
def bare(celery_of_project, queue, sink, unclaimed):
    """A project whose mail the broker alone keeps."""
    with project_settings(queue, sink.port):
        yield queue


@pytest.fixture
def publisher(broker_url, queue) -> Iterator[Publisher]:
    """Be who sends to a worker of another process: MAILERS, keys and the publisher of an app."""
    app = Celery("sender", broker=broker_url)
    app.set_current()
    smtp = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}}
    options = {"using": "smtp", "queue": queue, "ledger": None}
    default = {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}
    with override_settings(SECRET_KEY=KEY, MAILERS={"default": default, "smtp": smtp}):
        yield publisher_of(app)
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()
