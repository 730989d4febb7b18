"""The views that show the content of a mail, and note who has read it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from mailqueue.admin.content import Content, Unreadable, content_of, html_for_browser
from mailqueue.ledger.models import Entry

if TYPE_CHECKING:
    from mailqueue.admin.mails import MailAdmin

MOST_TEXT = 200_000  # characters that the page shows
# Nothing is loaded, nothing runs and nothing is sent, whoever shows it; pictures are in it.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'; sandbox"
)

Response = TypeVar("Response", bound=HttpResponse)
View = Callable[..., HttpResponse]


def readable_entry(admin: "MailAdmin", request: HttpRequest, object_id: str) -> Entry:
    """Return the row; PermissionDenied for those who may not read it."""
    if not admin.may_read(request):
        raise PermissionDenied
    entry: Entry | None = admin.get_object(request, unquote(object_id))
    if entry is None:
        raise Http404
    return entry


def private(response: Response) -> Response:
    """Let nobody keep the response or take it for something else."""
    add_never_cache_headers(response)
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response


def content_view(admin: "MailAdmin") -> View:
    """Return the view of the page with text, headers, attachments and a frame for the HTML."""

    @require_safe
    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        entry = readable_entry(admin, request, object_id)
        admin.log_change(request, entry, "Read the mail.")
        shown: dict[str, Any] = {}
        try:
            content = content_of(entry)
        except Unreadable as error:
            shown["unreadable"] = str(error)
        else:
            text = content.text or ""
            shown |= {"content": content, "text": text[:MOST_TEXT], "cut": len(text) > MOST_TEXT}
        context = admin.context(request, title="Content", entry=entry, parent=True, **shown)
        name = "admin/mailqueue_ledger/entry/content.html"
        return private(TemplateResponse(request, name, context))

    return view


def html_view(admin: "MailAdmin") -> View:
    """Return the view of the HTML alone."""

    @require_safe
    @xframe_options_sameorigin
    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        entry = readable_entry(admin, request, object_id)
        admin.log_change(request, entry, "Read its HTML.")
        content = opened(entry)
        if content.html is None:
            raise Http404
        response = HttpResponse(html_for_browser(content), content_type="text/html; charset=utf-8")
        response["Content-Security-Policy"] = POLICY
        response["X-DNS-Prefetch-Control"] = "off"
        return private(response)

    return view


def attachment_view(admin: "MailAdmin") -> View:
    """Return the view that gives an attachment as a file, of no type that a browser opens."""

    @require_safe
    def view(request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        entry = readable_entry(admin, request, object_id)
        attachments = opened(entry).attachments
        if number >= len(attachments) or attachments[number].content is None:
            raise Http404
        admin.log_change(request, entry, f"Downloaded attachment {number + 1}.")
        found = attachments[number]
        response = HttpResponse(found.content, content_type="application/octet-stream")
        disposition = content_disposition_header(as_attachment=True, filename=found.name)
        response["Content-Disposition"] = disposition or "attachment"
        response["Content-Security-Policy"] = POLICY
        return private(response)

    return view


def opened(entry: Entry) -> Content:
    try:
        return content_of(entry)
    except Unreadable:
        raise Http404 from None
