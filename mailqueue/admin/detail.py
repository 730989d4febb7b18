"""What the page of one mail tells."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from mailqueue.admin.acting import VERBS, Verb, meant
from mailqueue.admin.columns import codes, until
from mailqueue.ledger.about import About, read
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import UNFINISHED, Attempt, Entry
from mailqueue.wire.signature import worker_keys

MOST_ATTEMPTS = 200
MOST_PARTS = 100
MOST_RECIPIENTS = 100


def facts(entry: Entry) -> Iterator[tuple[str, Any]]:
    """Yield names and values, but for those of what is empty."""
    waits = until(entry.due_at) if entry.state in UNFINISHED else None
    named = {
        "Mailer": entry.mailer,
        "Message-ID": entry.message_id,
        "Part of": entry.origin,
        "Queued": entry.queued_at,
        "Lease ends" if entry.state == "sending" else "Next attempt": waits,
        "Given up after": entry.give_up_at if waits else None,
        "Ended": entry.finished_at,
        "Deleted after": entry.purge_at,
        "Attempts": entry.attempts,
        "Code": codes(entry.code, entry.enhanced),
        "Reason": entry.reason,
        "Kind and stage": " at ".join(filter(None, (entry.kind, entry.stage))),
    }
    yield from ((name, value) for name, value in named.items() if value not in (None, ""))


def attempts(entry: Entry) -> QuerySet[Attempt]:
    """Return the last attempts, newest first; those of the mail that this is a part of, too."""
    found = Attempt.objects.using(entries().db).filter(entry_id__in={entry.pk, entry.origin})
    return found.order_by("-at", "-number")[:MOST_ATTEMPTS]


def parts(entry: Entry) -> QuerySet[Entry]:
    """Return the other rows of the same mail: recipients that died apart, or what they left."""
    if not entry.message_id:
        return Entry.objects.none()
    same = entries().filter(message_id=entry.message_id).exclude(pk=entry.pk)
    return same.defer("payload", "about").order_by("queued_at", "pk")[:MOST_PARTS]


def told(entry: Entry) -> dict[str, Any]:
    """Return subject and recipients, for those who may read them."""
    about = read(entry.about, worker_keys()) or About("", ())
    first = about.recipients[:MOST_RECIPIENTS]
    more = len(about.recipients) - len(first)
    return {"subject": about.subject, "recipients": first, "more_recipients": more}


def verbs(entry: Entry) -> list[Verb]:
    """Return what may be done with the mail in the state that it is in."""
    rows = entries().filter(pk=entry.pk)
    return [verb for verb in VERBS.values() if meant(verb, rows).exists()]
