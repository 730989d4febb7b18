"""What the list says of a mail."""

from datetime import datetime

from django.contrib import admin
from django.utils.html import format_html
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import now

from mailqueue.ledger.models import Entry, State

SHOWN_ID = 12  # characters; the whole id is in the link and on the page of the mail
WAITS = (State.QUEUED, State.DEFERRED)


@admin.display(description="id")
def short_id(entry: Entry) -> str:
    return entry.pk if len(entry.pk) <= SHOWN_ID + 1 else f"{entry.pk[:SHOWN_ID]}…"


@admin.display(description="mailer")
def mailer(entry: Entry) -> str:
    return entry.mailer


@admin.display(description="state")
def badge(entry: Entry) -> str:
    return format_html('<span class="mailqueue-state mailqueue-{0}">{0}</span>', str(entry.state))


@admin.display(description="queued", ordering="queued_at")
def queued(entry: Entry) -> str:
    return format_html(
        '<time datetime="{}">{} ago</time>',
        entry.queued_at.isoformat(timespec="seconds"),
        timesince(entry.queued_at, depth=1),
    )


@admin.display(description="next attempt", empty_value="")
def following(entry: Entry) -> str | None:
    return until(entry.due_at) if entry.state in WAITS else None


@admin.display(description="attempts")
def attempts(entry: Entry) -> int:
    return entry.attempts


@admin.display(description="code", empty_value="")
def code(entry: Entry) -> str | None:
    return codes(entry.code, entry.enhanced) or None


@admin.display(description="reason", empty_value="")
def reason(entry: Entry) -> str | None:
    return entry.reason or None


@admin.display(description="subject", empty_value="")
def subject(entry: Entry) -> str | None:
    told = getattr(entry, "told", None)
    return told.subject if told else None


@admin.display(description="recipients", empty_value="")
def recipients(entry: Entry) -> str | None:
    told = getattr(entry, "told", None)
    if not told or not told.recipients:
        return None
    first, *others = told.recipients
    return f"{first} and {len(others)} more" if others else first


FOR_ALL = (short_id, badge, mailer, queued, following, attempts, code, reason)
FOR_READERS = (short_id, badge, subject, recipients, *FOR_ALL[2:])


def codes(code: int | None, enhanced: str) -> str:
    """Return a reply code and the enhanced one, as far as there are any."""
    return " ".join(str(part) for part in (code, enhanced) if part)


def until(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return f"in {timeuntil(moment, depth=1)}" if moment > now() else "now"
