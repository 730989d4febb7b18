"""One page: ask for an address, queue a mail to it."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path

from mailqueue.mail import send_mail

PAGE = """<!doctype html><title>Shop</title>
<form method="post"><input type="email" name="to" required><button>Order</button></form>
"""


class Order(forms.Form):
    to = forms.EmailField()


def order(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponse(PAGE)
    form = Order(request.POST)
    if not form.is_valid():
        return HttpResponse(PAGE, status=400)
    recipient = form.cleaned_data["to"]
    queued = send_mail("Your order", "It is on its way.", "shop@example.com", [recipient])
    return HttpResponse(f"{queued} mail queued\n", content_type="text/plain")


urlpatterns = [path("", order)]
