"""Requeue, cancel and discard the mails of a query, as the commands of these names do."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from mailqueue.control import cancel
from mailqueue.lanes import lane_of, lanes
from mailqueue.ledger.models import Entry, State
from mailqueue.ledger.removing import remove

BATCH = 500  # rows that are in memory at once
SECONDS = 20.0  # for one request; web servers end one after 30
WAITS = Q(state__in=(State.QUEUED, State.DEFERRED), handed=0)


class Row(NamedTuple):
    """What is asked of a row before something is done with it."""

    id: str
    mailer: str


class Done(NamedTuple):
    """How many mails something was done with, and whether none is left of those meant."""

    number: int
    finished: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """What may be done: ``to`` which rows, ``act`` does it and says to how many."""

    name: str
    title: str
    permission: str
    to: Q
    act: Callable[[Sequence[Row]], int]
    done: str
    only: str


def requeue_rows(rows: Sequence[Row]) -> int:
    number = 0
    for mailer, some in groupby(sorted(rows, key=lambda row: row.mailer), lambda row: row.mailer):
        lane = lane_of(mailer)
        ledger = lane.kept()
        number += ledger.requeue([row.id for row in some])
        ring = partial(lane.ring, unless_some=True)
        transaction.on_commit(ring, using=ledger.database, robust=True)
    return number


def cancel_rows(rows: Sequence[Row]) -> int:
    return sum(cancel(row.id) for row in rows)


def discard_rows(rows: Sequence[Row]) -> int:
    return remove([row.id for row in rows], state=State.DEAD)


REQUEUE = Verb(
    name="requeue",
    title="Queue anew",
    permission="change",
    to=Q(state=State.DEAD),
    act=requeue_rows,
    done="queued anew",
    only="only dead letters of a mailer in MAILERS can be queued anew",
)
CANCEL = Verb(
    name="cancel",
    title="Cancel",
    permission="change",
    to=WAITS,
    act=cancel_rows,
    done="cancelled",
    only="only mail that waits, and that no target has been handed, can be cancelled",
)
DISCARD = Verb(
    name="discard",
    title="Discard",
    permission="delete",
    to=Q(state=State.DEAD),
    act=discard_rows,
    done="deleted for good",
    only="only dead letters can be discarded",
)
VERBS = {verb.name: verb for verb in (REQUEUE, CANCEL, DISCARD)}


def meant(verb: Verb, rows: QuerySet[Entry]) -> QuerySet[Entry]:
    """Return those of the rows with which it can be done."""
    found = rows.filter(verb.to).order_by()
    # Of a mailer that is gone nothing can be queued or cancelled: who would send it?
    return found if verb is DISCARD else found.filter(mailer__in=list(lanes()))


def carry_out(verb: Verb, rows: QuerySet[Entry]) -> Done:
    """Do it batch by batch: what it was done with is no longer meant, so the next one follows."""
    end = time.monotonic() + SECONDS
    number = 0
    while batch := [Row(*each) for each in meant(verb, rows).values_list("pk", "mailer")[:BATCH]]:
        some = verb.act(batch)
        number += some
        if not some or time.monotonic() > end:
            return Done(number, finished=not some)
    return Done(number, finished=True)
