"""The Celery app of a project, for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from mailqueue.broker.publish import publisher_of
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers


@contextmanager
def project_app(broker_url: str) -> Iterator[Celery]:
    """Make an app the current one; afterwards close what it, and the targets, have open."""
    app = Celery("project", broker=broker_url)
    app.set_current()
    yield app
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()
    connections.close()
    breakers.clear()
