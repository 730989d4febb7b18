"""A page with one button, which queues a mail to the shop itself; and one for health checks."""

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from mailqueue.mail import send_mail

SHOP = "shop@example.com"  # whoever may name the recipient makes the form an open relay
PAGE = """<!doctype html><title>Shop</title>
<form method="post">
<input type="hidden" name="csrfmiddlewaretoken" value="{}"><button>Order</button>
</form>
"""


def order(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponse(format_html(PAGE, get_token(request)))
    queued = send_mail("An order", "Somebody wants something.", SHOP, [SHOP])
    return HttpResponse(f"{queued} mail queued\n", content_type="text/plain")


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [path("", order), path("health", health)]
