"""With many mails in the table, all that workers ask is found by an index.

``MAILQUEUE_TEST_ROWS=1000000`` for a million, which takes some minutes; ``-s`` shows the plans.
"""

import os
import re

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from mailqueue.ledger.models import Entry
from mailqueue.relay import PURGE_SIZE
from tests.ledger.mails import ledger_with

ROWS = int(os.environ.get("MAILQUEUE_TEST_ROWS", "200000"))

# Of a hundred rows 97 were sent (half of them long ago), two wait, one is due.
COLUMNS = (
    "id, mailer, state, payload, size, queued_at, give_up_at, due_at, finished_at, purge_at,"
    " fence, attempts, handed, origin, reason, kind, stage, code, enhanced"
)
VALUES = """
    {id}, 'default',
    CASE WHEN n % 100 < 97 THEN 'sent' WHEN n % 100 < 99 THEN 'deferred' ELSE 'queued' END,
    '', 0, '2026-01-01 00:00:00', {future},
    CASE WHEN n % 100 < 97 THEN NULL WHEN n % 100 < 99 THEN {future} ELSE {past} END,
    NULL,
    CASE WHEN n % 100 >= 97 THEN NULL WHEN n % 2 = 0 THEN {future} ELSE {past} END,
    '', 0, 0, '', '', '', '', NULL, ''
"""
NUMBERS = {
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})"
        " INSERT INTO {table} ({columns}) SELECT {values} FROM numbers"
    ),
    "postgresql": (
        "INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS n"
    ),
    "mariadb": (
        "INSERT INTO {table} ({columns})"
        " SELECT {values} FROM (SELECT seq AS n FROM seq_1_to_{rows}) AS numbers"
    ),
}
IDS = {
    "sqlite": "printf('%032x', n * 2654435761 % 4294967296)",
    "postgresql": "md5(n::text)",
    "mariadb": "MD5(n)",
}
ANALYZE = {
    "sqlite": "ANALYZE",
    "postgresql": "VACUUM ANALYZE {table}",
    "mariadb": "ANALYZE TABLE {table}",
}
INDEXED = {
    "sqlite": r"USING (COVERING )?INDEX",
    "postgresql": r"Index (Only )?Scan|Bitmap Index Scan",
    "mariadb": r"'(range|const|eq_ref|ref)'",
}
WHOLE_TABLE = {
    "sqlite": r"SCAN mailqueue_ledger_entry(?! USING)",
    "postgresql": r"Seq Scan on mailqueue_ledger_entry",
    "mariadb": r"'(ALL|index)'",
}


@pytest.fixture
def full_table(table) -> str:
    name = Entry._meta.db_table
    times = {"past": "'2020-01-01 00:00:00'", "future": "'2099-01-01 00:00:00'"}
    if table == "postgresql":
        times = {key: f"timestamptz {value}" for key, value in times.items()}
    values = VALUES.format(id=IDS[table], **times)
    statement = NUMBERS[table].format(table=name, columns=COLUMNS, values=values, rows=ROWS)
    with connections[table].cursor() as cursor:
        cursor.execute(statement)
        cursor.execute(ANALYZE[table].format(table=name))
        cursor.fetchall() if cursor.description else None
    yield table
    with connections[table].cursor() as cursor:
        cursor.execute(f"{'DELETE FROM' if table == 'sqlite' else 'TRUNCATE TABLE'} {name}")


def plans(alias: str, call) -> dict[str, str]:
    """Return the plan of each statement of a call, as the database makes it."""
    connection = connections[alias]
    with CaptureQueriesContext(connection) as captured:
        call()
    explain = "EXPLAIN QUERY PLAN" if alias == "sqlite" else "EXPLAIN"
    found = {}
    for query in captured.captured_queries:
        sql = query["sql"]
        if re.match("SELECT|UPDATE|DELETE", sql):
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {sql}")
                found[sql[:60]] = "\n".join(map(repr, cursor.fetchall()))
    return found


def test_claim_due_and_purge_use_an_index(full_table, caplog):
    caplog.set_level("CRITICAL")  # these rows hold no mails
    ledger = ledger_with()
    calls = {
        "claim": lambda: ledger.claim(limit=10),
        "due": ledger.is_due,
        "outlived": lambda: ledger.claim(limit=10, outlived=True),
        "purge": lambda: ledger.purge(limit=PURGE_SIZE),
    }
    for name, call in calls.items():
        statements = plans(full_table, call)
        assert statements
        for sql, plan in statements.items():
            print(f"{full_table} {name}: {sql}\n{plan}")
            assert re.search(INDEXED[full_table], plan), (name, sql)
            assert not re.search(WHOLE_TABLE[full_table], plan), (name, sql)
