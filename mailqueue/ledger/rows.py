"""Take rows so that no two callers get the same one, on any database."""

import uuid
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from mailqueue.ledger.models import Entry


def take(rows: QuerySet[Entry], *, limit: int, **changes: Any) -> list[Entry]:
    """Change at most so many of the rows, first due first, and return them; each has one caller.

    Where the database can, rows that another is just taking are skipped. Where it cannot (SQLite),
    the UPDATE looks at the condition once more; no transaction is held then, since SQLite refuses
    a reader that wants to write after another has written.
    """
    around: AbstractContextManager[Any] = nullcontext()
    chosen = rows.order_by("due_at")[:limit]
    if connections[rows.db].features.has_select_for_update_skip_locked:
        around = transaction.atomic(using=rows.db)
        chosen = rows.select_for_update(skip_locked=True).order_by("due_at")[:limit]
    fence = uuid.uuid4().hex
    with around:
        ids = list(chosen.values_list("pk", flat=True))
        if not ids:
            return []
        rows.filter(pk__in=ids).update(fence=fence, **changes)
        return list(Entry.objects.using(rows.db).filter(pk__in=ids, fence=fence))
