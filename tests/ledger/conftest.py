"""A ledger of each kind, on its real store."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from celery import Celery
from django.core.cache import caches
from django.db import connections
from django.test import override_settings

from mailqueue.ledger.cache import CacheLedger, key
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.interface import Claim, Ledger
from mailqueue.ledger.models import Entry
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.reference import Reference
from mailqueue.wire.signature import keys_from_settings
from tests.ledger.databases import KINDS, To, database
from tests.ledger.mails import options
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
        Entry.objects.all().delete()
        yield kind
        connections[kind].close()


@pytest.fixture(params=KINDS)
def table(request, databases) -> Iterator[str]:
    """Run the test on each database; give the alias of the one where the ledger is."""
    databases(request.param)
    with empty_table(request.param) as alias:
        yield alias


class Bench:
    """A ledger under test, and what a test may do to its store."""

    def __init__(self, make: Callable[[QueueOptions], Ledger]) -> None:
        self.make = make
        self.ledger = make(options())

    def put(self, *envelopes: Envelope) -> list[Envelope | Reference]:
        """Queue envelopes; return what the broker would bring."""
        raise NotImplementedError

    def end_lease(self, claim: Claim) -> None:
        """Let the time of a claim's lease pass."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection of this thread."""


class DatabaseBench(Bench):
    def put(self, *envelopes: Envelope) -> list[Any]:
        keys = keys_from_settings()
        self.ledger.record([(each, pack(each, keys)) for each in envelopes])
        return [Reference(id=each.id, mailer=each.mailer) for each in envelopes]

    def end_lease(self, claim: Claim) -> None:
        past = "2001-01-01T00:00:00+00:00"
        assert Entry.objects.filter(pk=claim.envelope.id).update(due_at=past)

    def close(self) -> None:
        connections.close_all()


class CacheBench(Bench):
    def put(self, *envelopes: Envelope) -> list[Any]:
        return list(envelopes)

    def end_lease(self, claim: Claim) -> None:
        assert self.ledger.cache.delete(key(claim.envelope, "claim"))


@pytest.fixture(params=["cache", *KINDS])
def bench(request, databases) -> Iterator[Bench]:
    """Run the test on each ledger."""
    if request.param != "cache":
        databases(request.param)
        with empty_table(request.param):
            yield DatabaseBench(lambda chosen: DatabaseLedger(chosen, keys_from_settings()))
        return
    location = request.getfixturevalue("redis_url")
    backend = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}
    backend["KEY_PREFIX"] = uuid.uuid4().hex
    with override_settings(CACHES={"default": backend}):
        yield CacheBench(lambda chosen: CacheLedger(caches["default"], chosen))


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
    """A project with the database ledger, on each database."""
    with Project(sink, lane, ledger="database") as running:
        yield running


@pytest.fixture
def kept_project(bench, celery_app, lane, sink) -> Iterator[Project]:
    """A project with each ledger."""
    level = "database" if bench.ledger.durable else "cache"
    with Project(sink, lane, ledger=level) as running:
        yield running
