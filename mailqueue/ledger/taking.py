"""Take rows so that no two callers get the same one, on any database."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import QuerySet

from mailqueue.ledger.models import Entry

WINDOW_SIZE = 8 * 2**20  # of payload in one claim: a window is in the memory of a worker


class Candidate(NamedTuple):
    """What is asked of a row before it is taken; `size` is that of its payload in characters."""

    id: str
    handed: int
    size: int


def take(
    rows: QuerySet[Entry],
    *,
    limit: int,
    fence: str,
    choose: Callable[[Sequence[Candidate]], Sequence[Candidate]],
    **changes: Any,
) -> list[Entry]:
    """Change those of the rows, first due first, that are chosen; return them, each to one caller.

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
        ids = [each.id for each in choose([Candidate(*each) for each in found])]
        if not ids:
            return []
        (entries if locks else rows).filter(pk__in=ids).update(fence=fence, **changes)
        taken = entries.filter(pk__in=ids, fence=fence)
        return sorted(taken, key=lambda entry: ids.index(entry.id))


def window(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Choose what a worker takes at once: not too much for its memory.

    What may have killed its last worker does not take others along.
    """
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
