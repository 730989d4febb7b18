"""The database and the Celery apps that all runs share."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from celery import Celery

from tests.ledger.databases import migrated
from tests.project_app import no_app
from tests.simulation.machine import Simulation
from tests.simulation.plan import ALIAS, MEMORY


@pytest.fixture(scope="session")
def simulated_database(django_db_blocker) -> Iterator[None]:
    kept = sqlite3.connect(MEMORY, uri=True)  # else it would be gone with its last connection
    settings = {"ENGINE": "tests.simulation.sqlite", "NAME": MEMORY}
    with django_db_blocker.unblock(), closing(kept):
        yield from migrated(ALIAS, settings)


@pytest.fixture
def simulated(simulated_database) -> Iterator[None]:
    with no_app():
        urls = {False: "redis://127.0.0.1:1/0", True: "amqp://guest@127.0.0.1:1//"}
        Simulation.apps = {kind: Celery("simulated", broker=url) for kind, url in urls.items()}
        yield
        for app in Simulation.apps.values():
            app.close()
