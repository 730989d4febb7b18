"""The admin's pages on a million mails, beside those of a bare model with as many rows.

On PostgreSQL; ``MAILQUEUE_TEST_ROWS`` for another number of rows.
"""

import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connections, models
from django.test import Client, override_settings
from django.urls import path

from mailqueue.admin.pages import LookAhead, number_of
from tests.admin.mails import keep
from tests.admin.site import ALIAS, site
from tests.admin.test_permissions import LIST, page_of
from tests.benchmarks.filling import filling
from tests.ledger.projects import mailers_for

ROWS = int(os.environ.get("MAILQUEUE_TEST_ROWS", "1000000"))
TIMES = 15
STATE = "CASE WHEN n % 100 < 97 THEN 'sent' WHEN n % 100 < 99 THEN 'dead' ELSE 'deferred' END"
STATEMENTS = (
    *filling(ROWS, STATE),
    """INSERT INTO bench_bare (id, mailer, state, queued_at, attempts, code, reason, enhanced)
    SELECT id, mailer, state, queued_at, attempts, code, reason, enhanced
    FROM mailqueue_ledger_entry""",
    "ANALYZE",
)


class Bare(models.Model):
    """As many columns as the list of mails shows, and the indexes that its pages need."""

    id = models.CharField(primary_key=True, max_length=64)
    mailer = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=[("sent", "sent"), ("dead", "dead")])
    queued_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveSmallIntegerField()
    code = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=200)
    enhanced = models.CharField(max_length=12)

    class Meta:
        app_label = "auth"  # a page of the admin asks for its app
        db_table = "bench_bare"
        indexes = [models.Index(fields=["state", "queued_at"], name="bench_state")]

    def __str__(self) -> str:
        return self.id


class BareAdmin(admin.ModelAdmin):
    list_display = ("id", "mailer", "state", "queued_at", "attempts", "code", "reason", "enhanced")
    list_filter = ("state",)
    search_fields = ("id__exact",)
    ordering = ("-queued_at",)
    show_full_result_count = False


class Uncounted(BareAdmin):
    list_max_show_all = 0

    def get_paginator(self, request: Any, queryset: Any, per_page: int, *args: Any) -> Any:
        return LookAhead(queryset, per_page, number=number_of(request))


counting, uncounted = admin.AdminSite("counting"), admin.AdminSite("uncounted")
counting.register(Bare, BareAdmin)
uncounted.register(Bare, Uncounted)
urlpatterns = [
    path("admin/", admin.site.urls),
    path("counting/", counting.urls),
    path("uncounted/", uncounted.urls),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("site")
    settings = override_settings(MAILERS=mailers_for(1), ROOT_URLCONF=__name__)
    with django_db_blocker.unblock(), site("postgresql", folder), settings:
        with connections[ALIAS].schema_editor() as editor:
            editor.create_model(Bare)
        with connections[ALIAS].cursor() as cursor:
            for statement in STATEMENTS:
                cursor.execute(statement)
        client = Client()
        client.force_login(User.objects.get(username="admin"))
        yield client


def took(client: Client, url: str) -> float:
    """Return the median of the seconds that a page takes."""
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        response = client.get(url)
        times.append(time.perf_counter() - began)
        assert response.status_code == 200
    return statistics.median(times)


def test_pages(client: Client) -> None:
    entry = keep()
    row = Bare.objects.order_by("-queued_at")[0].pk
    pages = {
        "list": (LIST, "/"),
        "page 50": (LIST + "?p=50", "/?p=50"),
        "state=dead": (LIST + "?state=dead", "/?state__exact=dead"),
        "search by recipient": (LIST + "?q=ann@example.test", f"/?q={row}"),
        "mail": (page_of(entry), f"/{row}/change/"),
        "content": (page_of(entry, "content"), f"/{row}/change/"),
        "overview of a day": (LIST + "overview/", "/"),
        "overview of a month": (LIST + "overview/?span=month", "/"),
        "state=cancelled, of which is none": (LIST + "?state=cancelled", "/?state__exact=dead"),
        "mailer=newsletter": (LIST + "?mailer=newsletter", "/"),
    }
    print(f"\n{ROWS:,} rows; ms, and as a ratio to a bare model uncounted and counted")
    for name, (ours, bare) in pages.items():
        mine, *others = (
            took(client, url)
            for url in (ours, *(f"/{each}/auth/bare{bare}" for each in ("uncounted", "counting")))
        )
        ratios = ", ".join(f"{mine / other:.2f} ({1000 * other:.0f} ms)" for other in others)
        print(f"{name}: {1000 * mine:.0f} ms = {ratios}")
