"""The ledger on each database, and a project that uses it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from celery import Celery
from django.db import connections
from django.test import override_settings

from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Attempt, Entry, Recipient
from tests.ledger.databases import KINDS, To, database
from tests.ledger.mails import ledger_with
from tests.ledger.projects import Project
from tests.project_app import project_app
from tests.services import queue_on


@pytest.fixture(scope="session")
def databases(tmp_path_factory, django_db_blocker) -> Iterator[Callable[[str], None]]:
    """Make a database of a kind, once in this run; its alias is its kind."""
    made: set[str] = set()
    with django_db_blocker.unblock(), ExitStack() as stack:

        def make(kind: str) -> None:
            if kind not in made:
                stack.enter_context(database(kind, tmp_path_factory.mktemp(kind)))
                made.add(kind)

        yield make


@contextmanager
def empty_table(kind: str) -> Iterator[str]:
    """Send the ledger to a database where it is empty."""
    with override_settings(DATABASE_ROUTERS=[To(kind)]):
        for model in (Attempt, Recipient, Entry):
            model.objects.all().delete()
        yield kind
        connections[kind].close()


@pytest.fixture(params=KINDS)
def table(request, databases) -> Iterator[str]:
    """Run the test on each database; give the alias of the one where the ledger is."""
    databases(request.param)
    with empty_table(request.param) as alias:
        yield alias


@pytest.fixture
def ledger(table) -> DatabaseLedger:
    return ledger_with()


@pytest.fixture
def celery_app(redis_url) -> Iterator[Celery]:
    """The project's own Celery app, as the current one."""
    with project_app(redis_url) as app:
        yield app


@pytest.fixture
def lane(redis_url) -> Iterator[str]:
    """Name a queue on Redis for this test alone."""
    with queue_on(redis_url) as name:
        yield name


@pytest.fixture
def project(table, celery_app, lane, sink) -> Iterator[Project]:
    """A project with the ledger, on each database."""
    with Project(sink, lane) as running:
        yield running
