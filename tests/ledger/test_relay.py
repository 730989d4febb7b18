"""The relay on its own thread: what it leaves behind in the database and in the worker."""

import threading
from typing import Any

import pytest
from django.db import connections

from mailqueue.bootsteps import relay as step
from mailqueue.ledger.clock import leave_pool, limited
from mailqueue.relay import purge, relay

SHOWN = {
    "postgresql": "SHOW statement_timeout",
    "mariadb": "SELECT @@max_statement_time",
    "sqlite": "SELECT 0",
}


def shown(alias: str) -> str:
    return shown_of(connections[alias], alias)


def shown_of(connection: Any, kind: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(SHOWN[kind])
        return str(cursor.fetchone()[0])


def test_the_database_ends_what_takes_too_long(table):
    with limited(table, 7):
        inside = shown(table)
    assert inside == {"postgresql": "7s", "mariadb": "7.0", "sqlite": "0"}[table]


def test_a_limit_does_not_stay_behind_on_postgresql(project, table):
    """The next one who gets the connection, from a pool or PgBouncer, is not the relay."""
    if table == "mariadb":
        pytest.skip("its limit is of the session, which ends with the round")
    relay()
    purge()
    assert shown(table) == "0"


def test_the_relay_has_a_connection_of_no_pool(table, monkeypatch):
    """A forked child closes its parent's pool, and each round of the relay would fail."""
    usual = connections.settings[table]
    pooled = {**usual, "OPTIONS": {**usual["OPTIONS"], "pool": True}}
    monkeypatch.setitem(connections.settings, "pooled", pooled)
    leave_pool("pooled")
    own = connections["pooled"]
    assert own.settings_dict["OPTIONS"] == usual["OPTIONS"]
    assert pooled["OPTIONS"]["pool"]
    assert shown_of(own, table).startswith("0")
    own.close()
    del connections["pooled"]


def test_rounds_that_hang_are_few(monkeypatch, caplog):
    silence = threading.Event()
    monkeypatch.setattr(step, "run", silence.wait)
    monkeypatch.setattr(step, "PATIENCE", 0.0)
    worker = step.Relay.__new__(step.Relay)
    worker.rounds, worker.begun = [], 0.0
    try:
        for _ in range(10):
            worker.begin()
        assert len(worker.rounds) == step.MOST
    finally:
        silence.set()
    for one in worker.rounds:
        one.join(10)
    assert "The relay hangs" in caplog.text
    worker.begin()
    assert len(worker.rounds) == 1
