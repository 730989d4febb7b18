"""Search by what an index finds, and by words of the subject among the newest mails."""

import time
from typing import NamedTuple

from django.db.models import Q, QuerySet

from mailqueue.ledger.about import read
from mailqueue.ledger.looking import by_name, by_recipient
from mailqueue.ledger.models import Entry
from mailqueue.wire.signature import worker_keys

# No index has subjects, and those that are encrypted no database can compare.
NEWEST = 5000
SECONDS = 2.0
MOST_FOUND = 500


class Subjects(NamedTuple):
    """The ids of mails with these words in their subject, and how far it was looked for them."""

    ids: list[str]
    searched: int
    finished: bool


def help_for(reads: bool) -> str:
    """Say what is searched for whom."""
    exact = "a whole id or Message-ID"
    if not reads:
        return f"Finds {exact}."
    return (
        f"Finds {exact}, the address of a recipient, or words of a subject"
        f" among the newest {NEWEST:,} mails that the filters leave."
    )


def for_all(rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    return rows.filter(by_name(text))


def for_readers(rows: QuerySet[Entry], text: str) -> tuple[QuerySet[Entry], Subjects]:
    found = subjects(rows, text)
    named = by_name(text) | by_recipient(text, worker_keys())
    return rows.filter(named | Q(pk__in=found.ids)), found


def subjects(rows: QuerySet[Entry], text: str) -> Subjects:
    """Look through the subjects of the first rows, for as long as there is time."""
    end = time.monotonic() + SECONDS
    words = text.casefold().split()
    keys = worker_keys()
    found: list[str] = []
    searched = 0
    newest = rows.values_list("pk", "about")[:NEWEST]
    for searched, (pk, about) in enumerate(newest.iterator(chunk_size=500), start=1):
        told = read(about, keys)
        if told and all(word in told.subject.casefold() for word in words):
            found.append(pk)
        if len(found) == MOST_FOUND or time.monotonic() > end:
            return Subjects(found, searched, finished=False)
    return Subjects(found, searched, finished=True)
