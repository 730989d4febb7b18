"""What people see of the table: counts, and the facts of mails; nothing here reads a payload."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.timezone import is_aware, make_aware

from mailqueue.codec.identity import MOST as LONGEST
from mailqueue.ledger.about import searched
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.models import UNFINISHED, Attempt, Entry, Recipient, State
from mailqueue.ledger.wanted import Wanted
from mailqueue.wire.signature import Keys

HOUR = 3600.0
MOST = 1000  # mails to one recipient that are looked for, the newest
FACTS = (
    *("id", "origin", "mailer", "state", "queued_at", "due_at", "finished_at", "attempts"),
    *("kind", "stage", "code", "enhanced", "reason"),
)
# Of mail that was never tried and waits for its `send_at`; after an attempt there is a reason.
SCHEDULED = Q(state=State.DEFERRED, reason="")


def counts(mailer: str, *, keep_sent: float) -> dict[str, Any]:
    """Count the mails of a mailer by where they are, and say how old the oldest is in seconds.

    ``keep_sent`` is the mailer's, as the time at which a sent mail is deleted tells when it was.
    """
    mine = entries().filter(mailer=mailer)
    found = mine.filter(due_at__isnull=False).aggregate(  # an index has those, and no finished ones
        scheduled=Count("pk", filter=SCHEDULED),
        deferred=Count("pk", filter=Q(state=State.DEFERRED) & ~SCHEDULED),
        queued=Count("pk", filter=Q(state=State.QUEUED)),
        sending=Count("pk", filter=Q(state=State.SENDING)),
        first=Min("queued_at", filter=~SCHEDULED),
        now=Max(Clock()),
    )
    first: datetime | None = found.pop("first")
    now = found.pop("now")
    found["oldest"] = None if first is None else max(0.0, (now - first).total_seconds())
    recent = mine.filter(state=State.SENT, purge_at__gt=Clock(keep_sent - HOUR))
    return found | {"sent": recent.count(), "dead": mine.filter(state=State.DEAD).count()}


def facts(wanted: Wanted, *, limit: int) -> Iterator[dict[str, Any]]:
    """Yield what is known of mails, the oldest first, but for their content and recipients."""
    yield from rows(wanted).order_by("queued_at", "pk").values(*FACTS)[:limit]


def named(text: str, keys: Keys) -> QuerySet[Entry]:
    """Return the rows with this id, this Message-ID (with or without <>), or this recipient.

    Recipients that died apart from the others of their mail have a row beside it, with the same
    Message-ID; the ids are asked for first, as no database uses an index for all of it at once.
    """
    return entries().filter(by_name(text) | by_recipient(text, keys))


def by_name(text: str) -> Q:
    """Return the condition of `named` for an id or a Message-ID."""
    text = text.strip()
    whole = entries().filter(pk=text).exclude(message_id="")
    names = {text[:LONGEST], f"<{text}>"[:LONGEST], *whole.values_list("message_id", flat=True)}
    return Q(pk=text) | Q(message_id__in=names)


def by_recipient(address: str, keys: Keys) -> Q:
    """Return the condition of `named` for a recipient: of the mails to one the newest MOST."""
    digests = searched(address.strip(), keys)
    first = entries().filter(recipient__in=digests).order_by("-queued_at")
    beside = Recipient.objects.using(first.db).filter(digest__in=digests)
    beside = beside.order_by("-entry__queued_at")
    found = {
        *first.values_list("queued_at", "pk")[:MOST],
        *beside.values_list("entry__queued_at", "entry_id")[:MOST],
    }
    return Q(pk__in=[name for _, name in sorted(found, reverse=True)[:MOST]])


def history(ids: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield what is known of the attempts at mails, the oldest first."""
    columns = ("entry_id", "at", "recipients", "kind", "stage", "code", "enhanced", "reason")
    found = Attempt.objects.using(router.db_for_write(Entry)).filter(entry_id__in=ids)
    yield from found.order_by("at", "number").values(*columns, "queue_id")


def rows(wanted: Wanted) -> QuerySet[Entry]:
    """Return the rows that are asked for."""
    found = entries()
    if wanted.ids is not None:
        found = found.filter(Q(pk__in=wanted.ids) | Q(origin__in=wanted.ids))
    for name in ("mailer", "state", "code"):
        if (value := getattr(wanted, name)) is not None:
            found = found.filter(**{name: value})
    if wanted.older_than is not None:
        found = found.filter(queued_at__lte=Clock(-wanted.older_than))
    return found


def mailers_of(wanted: Wanted) -> set[str]:
    """Return the mailers of the mails that are asked for."""
    return set(rows(wanted).values_list("mailer", flat=True).distinct())


def batches(wanted: Wanted, size: int) -> Iterator[list[str]]:
    """Yield the ids of the rows that are asked for, each once, whatever becomes of it meanwhile."""
    found = rows(wanted).order_by("pk").values_list("pk", flat=True)
    last = ""
    while ids := list(found.filter(pk__gt=last)[:size]):
        yield ids
        last = ids[-1]


def oldest() -> datetime | None:
    """Return when the oldest mail was queued whose content may still be needed."""
    needed = entries().filter(state__in=[*UNFINISHED, State.DEAD])
    found: datetime | None = needed.aggregate(oldest=Min("queued_at"))["oldest"]
    return found if found is None or is_aware(found) else make_aware(found)


def entries() -> QuerySet[Entry]:
    return Entry.objects.using(router.db_for_write(Entry))
