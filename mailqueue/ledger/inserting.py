"""Insert new rows, with what they tell of their mail.

In SQL of our own: the database's clock is asked within the one statement that each mail costs, and
making rows into models and these into SQL takes a request longer than the database needs.
"""

import functools
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

INSERT_SIZE = 4 * 2**20  # of payload in one INSERT; MariaDB takes 16 MiB unless told otherwise
INSERT_ROWS = 70  # an old SQLite takes 999 values

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
    parts = list(chunks([row for row, _ in rows], INSERT_SIZE))
    alone = len(parts) == 1 and not others and not savepoint
    around: Any = transaction.atomic(using=database, savepoint=savepoint)
    vendor = connections[database].vendor
    with nullcontext() if alone else around:
        for part in parts:
            begin, one, end = pieces(database, vendor, tuple(part[0]), settings.USE_TZ)
            with connections[database].cursor() as cursor:
                cursor.execute(begin + ", ".join([one] * len(part)) + end, values(part))
        if others:
            told_to = Recipient.objects.using(database)
            told_to.bulk_create(others, ignore_conflicts=True, batch_size=1000)


@functools.cache
def pieces(
    database: str, vendor: str, columns: Sequence[str], use_tz: bool
) -> tuple[str, str, str]:
    """Return an INSERT with these columns as what begins it, one row, and what ends it.

    The other columns have their defaults. `vendor` is the database's, and `use_tz` the setting.
    """
    connection = connections[database]
    does, quoted = connection.ops, connection.ops.quote_name
    names = ", ".join(map(quoted, columns))
    marks = ", ".join(clock(connection, "%s") if name in TIMES else "%s" for name in columns)
    verb = does.insert_statement(on_conflict=OnConflict.IGNORE)
    begin = f"{verb} {quoted(Entry._meta.db_table)} ({names}) VALUES "
    return begin, f"({marks})", f" {does.on_conflict_suffix_sql([], OnConflict.IGNORE, [], [])}"


def values(rows: Sequence[Row]) -> list[Any]:
    return [value for row in rows for value in row.values()]


def chunks(rows: Sequence[Mapping[str, Any]], size: int) -> Iterator[list[Any]]:
    """Yield the rows in parts with payloads of at most about ``size`` characters together."""
    chunk: list[Any] = []
    length = 0
    for row in rows:
        if chunk and (length + row["size"] > size or len(chunk) == INSERT_ROWS):
            yield chunk
            chunk, length = [], 0
        chunk.append(row)
        length += row["size"]
    if chunk:
        yield chunk
