"""A project with a Celery app of its own."""

import pytest

from tests.project_app import project_app


@pytest.fixture
def celery_of_project(broker_url):
    """The project's own Celery app, as the current one."""
    with project_app(broker_url) as app:
        yield app
