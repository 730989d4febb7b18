"""The page of all mailers: what waits in each, how old it is, and what attempts came to."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from mailqueue.admin.traffic import SPANS, plot
from mailqueue.errors import PublishError
from mailqueue.lanes import lanes
from mailqueue.operating.overview import Overview, overview

if TYPE_CHECKING:
    from mailqueue.admin.mails import MailAdmin

LINKED = ("queued", "sending", "dead")  # which the list can show alike
COUNTS = ("queued", "sending", "deferred", "scheduled", "dead", "sent")


def overview_view(admin: "MailAdmin") -> Callable[..., HttpResponse]:
    """Return the view; it tells numbers only, so whoever may see that mail exists may see it."""

    @require_safe
    def view(request: HttpRequest) -> HttpResponse:
        if not admin.has_view_or_change_permission(request):
            raise PermissionDenied
        span = SPANS.get(request.GET.get("span", ""), SPANS["day"])
        context = admin.context(
            request,
            title="Overview",
            mailers=list(told()),
            linked=LINKED,
            spans=list(SPANS.values()),
            plot=plot(span),
        )
        return TemplateResponse(request, "admin/mailqueue_ledger/entry/overview.html", context)

    return view


def told() -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each mailer with what is to be told; None where a broker that is away keeps it.

    A broker that did not answer is not asked for the next mailer: it would take as long.
    """
    away = False
    for alias, lane in sorted(lanes().items()):
        found = None
        if lane.ledger is not None or not away:
            try:
                found = cells(overview(lane))
            except PublishError:
                away = True
        yield alias, found


def cells(found: Overview) -> dict[str, Any]:
    return {
        "kept": found.kept,
        "counts": [(name, getattr(found, name)) for name in COUNTS],
        "oldest": None if found.oldest is None else age(found.oldest),
        "paused": found.paused,
    }


def age(seconds: float) -> str:
    """Return seconds as people say them: 45 s, 12 min, 3 h, 8 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
