"""A project with a Celery app of its own."""

import pytest
from celery import Celery

from mailqueue.broker.publish import publisher_of
from mailqueue.delivery.batch import breakers
from mailqueue.delivery.connections import connections


@pytest.fixture
def celery_of_project(broker_url):
    """The project's own Celery app, as the current one."""
    app = Celery("project", broker=broker_url)
    app.set_current()
    yield app
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()
    connections.close()
    breakers.clear()
