"""Take rows so that no two callers get the same one, on any database."""

import dataclasses
import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import F, QuerySet

from mailqueue.ledger.clock import Clock, clock
from mailqueue.ledger.models import Entry, State
from mailqueue.ledger.pauses import waits

WINDOW_SIZE = 8 * 2**20  # of payload in one claim: a window is in the memory of a worker

# What `window` chooses of the rows that are due, in PostgreSQL's words: all in one statement, where
# others need three and a transaction around them.
AT_ONCE = """\
WITH due AS ({due} FOR UPDATE SKIP LOCKED), counted AS (
    SELECT id, row_number() OVER so_far AS number, max(handed) OVER so_far AS handed,
        sum(size) OVER so_far AS size
    FROM due WINDOW so_far AS (ORDER BY due_at, id)
)
UPDATE {table} AS row
SET state = %s, fence = %s, handed = row.handed + 1,
    due_at = {lease}
FROM counted
WHERE row.id = counted.id AND (number = 1 OR counted.handed = 0 AND counted.size <= %s)
RETURNING {columns}, number
"""


class Candidate(NamedTuple):
    """What is asked of a row before it is taken; `size` is that of its payload in characters."""

    id: str
    handed: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What a worker needs of a row that it has taken; `handed` counts this time, too."""

    id: str
    mailer: str
    payload: str = dataclasses.field(repr=False)
    fence: str
    attempts: int
    handed: int
    held: float
    queued_at: datetime


COLUMNS = [field.name for field in dataclasses.fields(Taken)]


def take(
    mailer: str, database: str, *, limit: int, fence: str, lease: float, outlived: bool
) -> list[Taken]:
    """Take at most so many mails that are due, first due first; return them, each to one caller.

    They are not too much for the memory of a worker, and what may have killed its last worker
    does not take others along. `outlived` takes those only whose time is over.
    """
    if connections[database].vendor == "postgresql":
        return take_at_once(mailer, database, limit, fence=fence, lease=lease, outlived=outlived)
    return take_in_steps(due(mailer, database, outlived=outlived), limit, fence=fence, lease=lease)


def due(mailer: str, database: str, *, outlived: bool) -> QuerySet[Entry]:
    """Return the mails of a mailer that are due, unless it is paused."""
    entries = Entry.objects.using(database)
    rows = entries.filter(~waits(mailer), mailer=mailer, due_at__lte=Clock())
    return rows.filter(give_up_at__lte=Clock()) if outlived else rows


def take_at_once(
    mailer: str, database: str, limit: int, *, fence: str, lease: float, outlived: bool
) -> list[Taken]:
    """Take them in one statement; rows that another is just taking are skipped."""
    statement, parameters = at_once(mailer, database, limit, outlived)
    with connections[database].cursor() as cursor:
        cursor.execute(statement, [*parameters, State.SENDING.value, fence, lease, WINDOW_SIZE])
        return [Taken(*row[:-1]) for row in sorted(cursor.fetchall(), key=itemgetter(-1))]


@functools.lru_cache
def at_once(mailer: str, database: str, limit: int, outlived: bool) -> tuple[str, tuple[Any, ...]]:
    """Return the statement and its first parameters: to compile it takes longer than to run it."""
    rows = due(mailer, database, outlived=outlived).order_by("due_at")
    candidates = rows.values_list("id", "handed", "size", "due_at")[:limit]
    selection, parameters = candidates.query.get_compiler(database).as_sql()
    end = clock(connections[database], "%s")
    columns = ", ".join(f"row.{name}" for name in COLUMNS)
    table = Entry._meta.db_table
    return AT_ONCE.format(due=selection, table=table, lease=end, columns=columns), parameters


def take_in_steps(rows: QuerySet[Entry], limit: int, *, fence: str, lease: float) -> list[Taken]:
    """Take them in three statements.

    Where the database can, rows that another is just taking are skipped. Where it cannot (SQLite),
    the UPDATE looks at the condition once more; no transaction is begun then, since SQLite refuses
    a reader that wants to write after another has written.
    """
    entries = Entry.objects.using(rows.db)
    locks = connections[rows.db].features.has_select_for_update_skip_locked
    candidates = rows.select_for_update(skip_locked=True) if locks else rows
    around: AbstractContextManager[Any] = transaction.atomic(using=rows.db, savepoint=False)
    with around if locks else nullcontext():
        found = candidates.order_by("due_at").values_list(*Candidate._fields)[:limit]
        ids = [each.id for each in window([Candidate(*each) for each in found])]
        if not ids:
            return []
        (entries if locks else rows).filter(pk__in=ids).update(
            fence=fence, state=State.SENDING, due_at=Clock(lease), handed=F("handed") + 1
        )
        taken = entries.filter(pk__in=ids, fence=fence).values_list(*COLUMNS)
        return sorted((Taken(*each) for each in taken), key=lambda row: ids.index(row.id))


def window(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Choose what a worker takes at once."""
    if candidates and candidates[0].handed:
        return candidates[:1]
    chosen: list[Candidate] = []
    room = WINDOW_SIZE
    for each in candidates:
        if each.handed or (chosen and each.size > room):
            break
        chosen.append(each)
        room -= each.size
    return chosen
