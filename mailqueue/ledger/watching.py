"""Whether mail waits too long, asked so often that it must be cheap: an index answers each."""

import time
from collections.abc import Collection

from django.db import connections, router
from django.db.models import Max
from django.db.models.functions import Coalesce

from mailqueue.ledger.clock import Clock
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import Entry, State
from mailqueue.ledger.pauses import paused


def touch() -> None:
    """Ask for a mail that is not there; what the database raises tells what the table lacks."""
    entries().filter(pk="").first()


def waiting(mailers: Collection[str]) -> float:
    """Return the seconds for which a mail of these mailers has been due, of the longest; or 0.

    What waits for its next attempt or its ``send_at`` is not due, nor is what a worker has, or what
    somebody has paused.
    """
    due = entries().filter(mailer__in=set(mailers) - paused().keys(), due_at__lte=Clock())
    due = due.order_by("due_at")
    first = due.annotate(now=Clock()).values_list("due_at", "now").first()
    return 0.0 if first is None else float((first[1] - first[0]).total_seconds())


def is_worked_on(mailers: Collection[str]) -> bool:
    """Tell whether a worker has mail of these mailers in hand."""
    return entries().filter(mailer__in=mailers, due_at__gt=Clock(), state=State.SENDING).exists()


def dead_up_to(mailers: Collection[str], most: int) -> int:
    """Count the dead letters of these mailers, no further than to `most`."""
    dead = entries().filter(mailer__in=mailers, state=State.DEAD)
    return len(dead.values_list("pk", flat=True)[:most])


def ahead() -> float:
    """Return by how many seconds the clock of the database is ahead of this machine's."""
    connections[router.db_for_write(Entry)].ensure_connection()  # takes time of its own
    nothing = entries().filter(pk="")  # of which one row comes all the same
    before = time.time()
    now = nothing.aggregate(now=Coalesce(Max("queued_at"), Clock()))["now"]
    return float(now.timestamp() - (before + time.time()) / 2)
