"""By what the list may be narrowed; nothing else is looked up for a query string."""

from collections.abc import Iterator
from typing import TypeAlias

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mailqueue.lanes import lanes
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import Entry, State

MOST_STRANGERS = 20  # mailers that are in the table and not in MAILERS
HOUR = 3600
DAY = 24 * HOUR
AGES = {
    "hour": ("in the last hour", HOUR),
    "day": ("in the last day", DAY),
    "week": ("in the last week", 7 * DAY),
    "over-hour": ("more than an hour ago", -HOUR),
    "over-day": ("more than a day ago", -DAY),
    "over-week": ("more than a week ago", -7 * DAY),
}

Admin: TypeAlias = "admin.ModelAdmin[Entry]"
Rows = QuerySet[Entry]


class StateFilter(admin.SimpleListFilter):
    """Where the mail is."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in State]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        state = self.value()
        return queryset if state is None else queryset.filter(state=state)


class MailerFilter(admin.SimpleListFilter):
    """Which mailer has it."""

    title = "mailer"
    parameter_name = "mailer"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [(alias, alias) for alias in sorted({*lanes(), *in_table()})]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        mailer = self.value()
        return queryset if mailer is None else queryset.filter(mailer=mailer)


class AgeFilter(admin.SimpleListFilter):
    """When it was queued."""

    title = "time of queueing"
    parameter_name = "queued"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in AGES.items()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if (age := self.value()) not in AGES:
            return queryset
        seconds = AGES[age][1]
        lookup = "queued_at__gte" if seconds > 0 else "queued_at__lt"
        return queryset.filter(**{lookup: Clock(-abs(seconds))})


FILTERS = (StateFilter, MailerFilter, AgeFilter)
NAMES = {each.parameter_name for each in FILTERS}


def in_table() -> Iterator[str]:
    """Yield the mailers of the table, each found by one step in an index."""
    last = ""
    for _ in range(len(lanes()) + MOST_STRANGERS):
        following = entries().filter(mailer__gt=last).order_by("mailer")
        name = following.values_list("mailer", flat=True).first()
        if name is None:
            return
        yield name
        last = name
