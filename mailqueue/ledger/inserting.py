"""Insert new rows, with what they tell of their mail.

In SQL of our own: the database's clock is asked within the one statement that each mail costs, and
making rows into models and these into SQL takes a request longer than the database needs.
"""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models.constants import OnConflict

from mailqueue.codec.identity import message_id_of
from mailqueue.ledger.about import about, digests, written
from mailqueue.ledger.clock import clock
from mailqueue.ledger.models import Entry, Recipient
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import Envelope
from mailqueue.wire.signature import Keys

INSERT_SIZE = 2**19  # of payload in one INSERT; one of 4 MiB measures slower
INSERT_ROWS = 70  # of several with values; an old SQLite takes 999 values

# Columns of a row and their values: a time is given as seconds from now, by the database's clock.
Row = dict[str, Any]
TIMES = frozenset({"queued_at", "give_up_at", "due_at", "finished_at", "purge_at"})


def insert(
    rows: Sequence[tuple[Row, Envelope]],
    database: str,
    options: QueueOptions,
    keys: Keys,
    *,
    savepoint: bool = False,
) -> None:
    """Insert rows for envelopes, all or none; a known id is left as it is.

    All have the same columns. ``savepoint``: what fails leaves the caller's transaction whole.
    """
    others: list[Recipient] = []
    for row, envelope in rows:
        row |= {"message_id": message_id_of(envelope.message), "about": "", "recipient": ""}
        if options.keep_headers:
            told = about(envelope)
            row["about"] = written(told, keys)
            row["recipient"], *beside = digests(told.recipients, keys) or [""]
            others += [Recipient(digest=each, entry_id=row["id"]) for each in beside]
    connection = connections[database]
    most = len(rows) if connection.vendor == "postgresql" else INSERT_ROWS
    parts = list(chunks([row for row, _ in rows], INSERT_SIZE, most))
    alone = len(parts) == 1 and not others and not savepoint
    around: Any = nullcontext()
    if not alone:
        around = transaction.atomic(using=database, savepoint=savepoint)
    with around:
        for part in parts:
            statement, given = statement_of(part, database, connection.vendor)
            with connection.cursor() as cursor:
                cursor.execute(statement, given)
        if others:
            told_to = Recipient.objects.using(database)
            told_to.bulk_create(others, ignore_conflicts=True, batch_size=1000)


def statement_of(rows: Sequence[Row], database: str, vendor: str) -> tuple[str, list[Any]]:
    """Return an INSERT of these rows, and its parameters."""
    columns, kind = tuple(rows[0]), (database, vendor, settings.USE_TZ)
    if vendor == "postgresql" and len(rows) > 1:
        return from_json(*kind, columns), [json.dumps(rows)]
    begin, one, end = from_values(*kind, columns)
    statement = " ".join([begin, ", ".join([one] * len(rows)), end])
    return statement, [value for row in rows for value in row.values()]


@functools.cache
def from_values(
    database: str, vendor: str, use_tz: bool, columns: Sequence[str]
) -> tuple[str, str, str]:
    """Return an INSERT as what begins it, one row, and what ends it.

    `vendor` is the database's, and `use_tz` the setting.
    """
    begin, end = ends_of(database, columns)
    marks = ", ".join(marked("%s", name, database) for name in columns)
    return f"{begin} VALUES", f"({marks})", end


@functools.cache
def from_json(database: str, vendor: str, use_tz: bool, columns: Sequence[str]) -> str:
    """Return an INSERT of rows in JSON, which PostgreSQL reads faster than so many parameters."""
    connection = connections[database]
    begin, end = ends_of(database, columns)
    quoted = [connection.ops.quote_name(name) for name in columns]
    chosen = ", ".join(map(marked, quoted, columns, itertools.repeat(database)))
    typed = ", ".join(
        f"{name} {json_type(connection, column)}"
        for name, column in zip(quoted, columns, strict=True)
    )
    given = f"JSON_TO_RECORDSET(%s::json) AS given ({typed})"
    return " ".join([begin, "SELECT", chosen, "FROM", given, end])


def ends_of(database: str, columns: Sequence[str]) -> tuple[str, str]:
    """Return what begins and ends an INSERT of these columns; the others have their defaults."""
    does = connections[database].ops
    names = ", ".join(map(does.quote_name, columns))
    verb = does.insert_statement(on_conflict=OnConflict.IGNORE)
    end = does.on_conflict_suffix_sql([], OnConflict.IGNORE, [], [])
    return f"{verb} {does.quote_name(Entry._meta.db_table)} ({names})", end


def marked(value: str, column: str, database: str) -> str:
    """Return SQL for the value of a column."""
    return clock(connections[database], value) if column in TIMES else value


def json_type(connection: Any, column: str) -> str:
    """Return the type of what is listed for a column; "varchar(9)" would cut off what is longer."""
    if column in TIMES:
        return "float8"
    of_column = str(Entry._meta.get_field(column).db_type(connection))
    return "text" if of_column.startswith("varchar") else of_column


def chunks(rows: Sequence[Mapping[str, Any]], size: int, most: int) -> Iterator[list[Any]]:
    """Yield the rows in parts: payloads of at most about ``size`` characters, ``most`` rows."""
    chunk: list[Any] = []
    length = 0
    for row in rows:
        if chunk and (length + row["size"] > size or len(chunk) == most):
            yield chunk
            chunk, length = [], 0
        chunk.append(row)
        length += row["size"]
    if chunk:
        yield chunk
