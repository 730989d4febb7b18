"""The list of mails in Django's admin, and what may be done there."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from mailqueue.admin import actions, columns, detail, filters, pages, reading, searching
from mailqueue.admin.acting import VERBS
from mailqueue.admin.overview import overview_view
from mailqueue.compat import CRUMBS_ARE_A_LIST
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import Entry

READ = "mailqueue_ledger.read_entry"


@admin.register(Entry)
class MailAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Mails are looked at, queued anew, cancelled and discarded; nobody edits a row."""

    list_filter = filters.FILTERS
    search_fields = ("id",)  # that there is a search: `get_search_results` knows what for
    ordering = ("-queued_at", "-pk")
    sortable_by = (columns.queued,)  # type: ignore[assignment]
    actions = actions.ALL
    list_per_page = 100
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they are counts

    class Media:
        css = {"all": ["mailqueue/admin.css"]}

    # Who may do what.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def may_read(self, request: HttpRequest) -> bool:
        """Tell whether somebody may read subject, recipients and content."""
        return self.has_view_permission(request) and request.user.has_perm(READ)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the filters of the page alone: others would guess what is in a column."""
        return lookup in filters.NAMES

    # The list.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        unread = ("payload",) if self.may_read(request) else ("payload", "about")
        return entries().defer(*unread)

    def get_list_display(self, request: HttpRequest) -> Any:
        return columns.FOR_READERS if self.may_read(request) else columns.FOR_ALL

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return pages.MailList

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any
    ) -> Any:
        return pages.LookAhead(queryset, per_page, number=pages.number_of(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        if not search_term.strip():
            return queryset, False
        if not self.may_read(request):
            return searching.for_all(queryset, search_term), False
        found, subjects = searching.for_readers(queryset, search_term)
        if not subjects.finished:
            messages.warning(request, f"Only {subjects.searched:,} subjects were searched.")
        return found, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Mails", **(extra_context or {})})

    # The pages.

    def get_urls(self) -> list[URLPattern]:
        """Return Django's own, but for those that add and delete; and ours."""
        name = "mailqueue_ledger_entry_{}".format
        wrap = self.admin_site.admin_view
        own = [
            path("overview/", wrap(overview_view(self)), name=name("overview")),
            path(
                "<path:object_id>/content/", wrap(reading.content_view(self)), name=name("content")
            ),
            path("<path:object_id>/html/", wrap(reading.html_view(self)), name=name("html")),
            path(
                "<path:object_id>/attachments/<int:number>/",
                wrap(reading.attachment_view(self)),
                name=name("attachment"),
            ),
        ]
        theirs = [
            each for each in super().get_urls() if each.name not in (name("add"), name("delete"))
        ]
        return own + theirs

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one mail; a POST does with it what its buttons say."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        entry = self.get_object(request, unquote(object_id))
        if entry is None:
            raise Http404
        if request.method == "POST":
            return self.act_on(request, entry)
        context = self.context(
            request,
            title=f"Mail {entry.pk}",
            entry=entry,
            facts=list(detail.facts(entry)),
            attempts=list(detail.attempts(entry)),
            parts=list(detail.parts(entry)),
            verbs=[verb for verb in detail.verbs(entry) if self.may(request, verb.permission)],
            **(detail.told(entry) if self.may_read(request) else {}),
            **(extra_context or {}),
        )
        return TemplateResponse(request, "admin/mailqueue_ledger/entry/detail.html", context)

    def act_on(self, request: HttpRequest, entry: Entry) -> HttpResponse:
        verb = VERBS.get(request.POST.get("action", ""))
        if verb is None or not self.may(request, verb.permission):
            raise PermissionDenied
        rows = self.get_queryset(request).filter(pk=entry.pk)
        answer = actions.act(self, request, rows, verb)
        is_gone = answer is None and not rows.exists()
        return answer or HttpResponseRedirect("../../" if is_gone else request.path)

    def may(self, request: HttpRequest, permission: str) -> bool:
        """Tell whether somebody may "change" or "delete"."""
        return bool(getattr(self, f"has_{permission}_permission")(request))

    def context(self, request: HttpRequest, **given: Any) -> dict[str, Any]:
        """Return what every page of the admin knows, and what is given."""
        known: dict[str, Any] = {
            "opts": self.opts,
            "media": self.media,
            "may_read": self.may_read(request),
            "crumbs_are_a_list": CRUMBS_ARE_A_LIST,
        }
        return {**self.admin_site.each_context(request), **known, **given}
