"""A worker's connection to the database outlives its tasks, as long as CONN_MAX_AGE says."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections, router, transaction

from mailqueue.errors import LedgerError
from mailqueue.ledger.connection import _kept, close_kept, kept_connection
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry

pytestmark = pytest.mark.parametrize("table", ["postgresql"], indirect=True)


def alias() -> str:
    return router.db_for_write(Entry)


def backend() -> int:
    """Return which of the server's processes serves this thread's connection."""
    with connections[alias()].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def task() -> int:
    """Ask the database as a task does: Celery closes all before and after it."""
    connections.close_all()
    try:
        with kept_connection():
            return backend()
    finally:
        connections.close_all()


@pytest.fixture(autouse=True)
def _none_kept(table: str) -> Iterator[None]:
    close_kept()
    yield
    close_kept()


@contextmanager
def age(seconds: int | None, **settings: Any) -> Iterator[None]:
    chosen = connections.settings[alias()]
    before = dict(chosen)
    chosen.update(CONN_MAX_AGE=seconds, **settings)
    try:
        yield
    finally:
        chosen.update(before)


@pytest.mark.parametrize("seconds", [60, None])
def test_one_connection_serves_task_after_task(seconds):
    with age(seconds):
        assert task() == task()


def test_without_an_age_each_task_has_its_own():
    assert task() != task()


def test_one_that_grew_too_old_while_it_was_idle_is_not_used():
    with age(60):
        before = task()
        [kept] = _kept[alias()]
        kept.close_at = 0.0
        assert task() != before


def test_one_that_is_open_is_not_replaced():
    """Else a task in the caller's own transaction would not see what that has written."""
    with age(60), transaction.atomic(using=alias()):
        before = backend()
        with kept_connection():
            assert backend() == before
            assert connections[alias()].in_atomic_block


def test_each_thread_has_its_own():
    seen: list[int] = []
    both = Barrier(2, timeout=20)

    def thread() -> None:
        connections.close_all()
        with kept_connection():
            seen.append(backend())
            both.wait()

    with age(60):
        threads = [Thread(target=thread) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(set(seen)) == 2
        assert task() in seen


def end_of(process: int) -> None:
    with connections[alias()].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])


def test_one_that_the_server_has_ended_is_an_error_once(ledger: DatabaseLedger):
    with age(60):
        end_of(task())
        connections.close_all()
        with kept_connection(), pytest.raises(LedgerError):
            ledger.claim(limit=1)
        assert task() == task()


def test_with_health_checks_nobody_sees_that(ledger: DatabaseLedger):
    with age(60, CONN_HEALTH_CHECKS=True):
        end_of(task())
        connections.close_all()
        with kept_connection():
            assert ledger.claim(limit=1) == []
