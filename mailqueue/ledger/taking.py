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
    entries = Entry.objects.using(rows.db)
    locks = connections[rows.db].features.has_select_for_update_skip_locked
    chosen = rows.select_for_update(skip_locked=True) if locks else rows
    fence = uuid.uuid4().hex
    around: AbstractContextManager[Any] = transaction.atomic(using=rows.db)
    with around if locks else nullcontext():
        ids = list(chosen.order_by("due_at").values_list("pk", flat=True)[:limit])
        if not ids:
            return []
        (entries if locks else rows).filter(pk__in=ids).update(fence=fence, **changes)
        return list(entries.filter(pk__in=ids, fence=fence))
