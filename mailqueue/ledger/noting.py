"""Note what became of a window: which of its mails are sent, and what was tried."""

import functools
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models.sql import UpdateQuery

from mailqueue.ledger.models import UNFINISHED, Attempt, Entry
from mailqueue.ledger.transitions import sent

# In PostgreSQL's words; others need two statements.
AT_ONCE = """\
WITH sent AS ({update} AND id = ANY(%s))
INSERT INTO {table} ({columns})
SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)
ON CONFLICT DO NOTHING
"""


def note(
    ids: Collection[str],
    attempts: Sequence[dict[str, Any]],
    database: str,
    *,
    keep_sent: float,
    keep_content: float,
) -> None:
    """Note that all recipients of these mails have them, and each attempt; both once.

    Sent is sent, also when the lease had ended: whoever has such a mail now need not send it.
    """
    if connections[database].vendor == "postgresql":
        statement, parameters = at_once(database, keep_sent, keep_content)
        told = json.dumps(attempts, default=datetime.isoformat)
        with connections[database].cursor() as cursor:
            cursor.execute(statement, [*parameters, list(ids), told])
        return
    if ids:
        rows = Entry.objects.using(database).filter(pk__in=ids, state__in=UNFINISHED)
        rows.update(**sent(keep_sent, keep_content))
    made = [Attempt(**attempt) for attempt in attempts]
    Attempt.objects.using(database).bulk_create(made, ignore_conflicts=True)


@functools.lru_cache
def at_once(database: str, keep_sent: float, keep_content: float) -> tuple[str, tuple[Any, ...]]:
    """Return the statement and its first parameters: to compile it takes longer than to run it."""
    query: Any = Entry.objects.filter(state__in=UNFINISHED).query.chain(UpdateQuery)
    query.add_update_values(sent(keep_sent, keep_content))
    update, parameters = query.get_compiler(database).as_sql()
    names = ", ".join(f'"{field.column}"' for field in Attempt._meta.concrete_fields)
    table = f'"{Attempt._meta.db_table}"'
    return AT_ONCE.format(update=update, table=table, columns=names), parameters
