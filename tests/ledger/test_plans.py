"""With many mails in the table, all that workers ask is found by an index.

``MAILQUEUE_TEST_ROWS=1000000`` for a million, which takes some minutes; ``-s`` shows the plans.
"""

import os
import re

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from mailqueue.admin.mails import MailAdmin
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import Attempt, Entry
from mailqueue.relay import PURGE_SIZE
from tests.ledger.mails import ledger_with

ROWS = int(os.environ.get("MAILQUEUE_TEST_ROWS", "200000"))

# Of a hundred rows 97 were sent (half of them long ago), two wait, one is due.
COLUMNS = (
    "id, mailer, state, payload, size, queued_at, give_up_at, due_at, finished_at, purge_at,"
    " fence, attempts, handed, origin, reason, kind, stage, code, enhanced, message_id,"
    " about, recipient"
)
VALUES = """
    {id}, 'default',
    CASE WHEN n % 100 < 97 THEN 'sent' WHEN n % 100 < 99 THEN 'deferred' ELSE 'queued' END,
    '', 0, {queued}, {future},
    CASE WHEN n % 100 < 97 THEN NULL WHEN n % 100 < 99 THEN {future} ELSE {past} END,
    NULL,
    CASE WHEN n % 100 >= 97 THEN NULL WHEN n % 2 = 0 THEN {future} ELSE {past} END,
    '', 0, 0, '', '', '', '', NULL, '', {id}, '', {id}
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
QUEUED = {
    "sqlite": "datetime('2026-01-01', n || ' seconds')",
    "postgresql": "timestamptz '2026-01-01' + n * interval '1 second'",
    "mariadb": "'2026-01-01' + INTERVAL n SECOND",
}
ANALYZE = {
    "sqlite": "ANALYZE",
    "postgresql": "VACUUM ANALYZE {table}",
    "mariadb": "ANALYZE TABLE {table}",
}
# What is told of some of them elsewhere.
TOLD = {
    "mailqueue_ledger_attempt": (
        "INSERT INTO {table} (entry_id, fence, number, mailer, at, recipients, kind, stage,"
        " enhanced, reason, queue_id)"
        " SELECT id, '1', 0, mailer, queued_at, 1, 'sent', '', '', '', '' FROM {entries}"
    ),
    "mailqueue_ledger_recipient": (
        "INSERT INTO {table} (entry_id, digest) SELECT id, id FROM {entries}"
    ),
}
INDEXED = {
    "sqlite": r"USING (COVERING )?INDEX",
    "postgresql": r"Index (Only )?Scan|Bitmap Index Scan",
    "mariadb": r"'(range|const|eq_ref|ref)'",
}
# Of rows that come in the order of an index those of equal time may still be put in order.
SORTED = {
    "sqlite": r"USE TEMP B-TREE FOR ORDER BY",
    "postgresql": r"(?<!Incremental )Sort  ",
    "mariadb": r"filesort",
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
    values = VALUES.format(id=IDS[table], queued=QUEUED[table], **times)
    statement = NUMBERS[table].format(table=name, columns=COLUMNS, values=values, rows=ROWS)
    with connections[table].cursor() as cursor:
        cursor.execute(statement)
        for told, statement in TOLD.items():
            cursor.execute(statement.format(table=told, entries=name))
        for each in (name, *TOLD):
            cursor.execute(ANALYZE[table].format(table=each))
            cursor.fetchall() if cursor.description else None
    yield table
    with connections[table].cursor() as cursor:
        for each in (name, *TOLD):
            cursor.execute(f"{'DELETE FROM' if table == 'sqlite' else 'TRUNCATE TABLE'} {each}")


def plans(alias: str, call) -> dict[str, str]:
    """Return the plan of each statement of a call, as the database makes it."""
    connection = connections[alias]
    with CaptureQueriesContext(connection) as captured:
        call()
    explain = "EXPLAIN QUERY PLAN" if alias == "sqlite" else "EXPLAIN"
    found = {}
    for query in captured.captured_queries:
        sql = query["sql"]
        if re.match("SELECT|UPDATE|DELETE|WITH", sql):
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
    what_the_admin_lists_comes_in_the_order_of_an_index(full_table)


def what_the_admin_lists_comes_in_the_order_of_an_index(alias):
    newest = entries().defer("payload").order_by(*MailAdmin.ordering)
    attempts = Attempt.objects.order_by("-at").values_list("at", flat=True)
    calls = {
        "all": lambda: list(newest[:101]),
        "a state": lambda: list(newest.filter(state="queued")[:101]),
        "a late page": lambda: list(newest.values_list("pk")[9900:10001]),
        "of an age": lambda: list(newest.filter(queued_at__lt=Clock(-3600))[:101]),
        "attempts": lambda: list(attempts[1000:1001]),
    }
    for name, call in calls.items():
        (plan,) = plans(alias, call).values()
        print(f"{alias} {name}: {plan}")
        assert re.search(INDEXED[alias] + r"|'index'", plan), name
        assert not re.search(SORTED[alias], plan), name
