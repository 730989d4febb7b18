"""A project with a Celery app of its own."""

import pytest

from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import dead_queue
from mailqueue.options import QueueOptions
from tests.project_app import project_app
from tests.worker.project import dead


@pytest.fixture
def celery_of_project(broker_url):
    """The project's own Celery app, as the current one."""
    with project_app(broker_url) as app:
        yield app


@pytest.fixture
def unclaimed(celery_of_project):
    """Give the unread dead letters of what came by no queue: they are on the default queue's."""
    target = dead_queue(QueueOptions.DEFAULT_QUEUE, quorum=publisher().rabbitmq)

    def empty() -> None:
        with publisher().producer() as producer:
            bound = target(producer.channel)
            bound.declare()
            bound.purge()

    empty()
    yield lambda: dead(QueueOptions.DEFAULT_QUEUE)
    empty()
