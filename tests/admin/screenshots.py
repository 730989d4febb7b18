"""The pictures of docs/images, made anew: make test PYTEST=tests/admin/screenshots.py

No test: pytest looks here only when it is told to.
"""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings
from django.utils.timezone import now

from mailqueue.ledger.models import Attempt, Entry
from tests.admin.browser import chromium, logged_in, served
from tests.admin.mails import DEAD, attempt, html_mail, keep
from tests.admin.test_permissions import LIST, page_of
from tests.ledger.projects import mailers_for

IMAGES = Path(__file__).parents[2] / "docs/images"
DESKTOP = {"width": 1280, "height": 720}
PHONE = {"width": 375, "height": 720}
KEPT = {
    *("list-light", "list-dark", "list-phone-light"),
    *("mail-light", "mail-phone-dark", "content-light"),
    *("overview-light", "overview-dark", "overview-phone-dark"),
}
SUBJECTS = ("Your order", "An invoice", "Reset your password", "Your parcel is on its way")
NAMES = ("ann", "ben", "cleo", "dana", "eli", "fay")
FULL = {
    "state": "deferred",
    "reason": "mailbox full (transient)",
    "kind": "transient",
    "stage": "recipient",
    "code": 452,
    "enhanced": "4.2.2",
    "attempts": 2,
}
HTML = (
    "<div style='font-family: sans-serif; padding: 12px'><h2 style='color: #205067'>Thank you, Ann"
    "</h2><p>Your order <b>4711</b> is on its way.</p></div>"
)


def fill(queue: str) -> Entry:
    """Put mails into the table that look like a shop's; return the one that died."""
    chance = random.Random(7)
    for number in range(18):
        to = [f"{chance.choice(NAMES)}@example.com" for _ in range(chance.choice((1, 1, 3)))]
        message = EmailMessage(chance.choice(SUBJECTS), "Hello", "shop@example.com", to)
        columns = {"state": "sent", "due_at": None, "attempts": 1}
        if number % 6 == 1:
            columns = FULL | {"due_at": now() + timedelta(minutes=8 * number)}
        elif number % 7 == 2:
            columns = {"state": "queued"}
        minutes = timedelta(minutes=3 + 7 * number)
        mailer = chance.choice(("default", "newsletter"))
        keep(message, mailer=mailer, queued_at=now() - minutes, **columns)
    for hour in range(24):
        sent = keep(state="sent", due_at=None, queued_at=now() - timedelta(hours=hour + 3))
        ago = timedelta(hours=hour)
        attempt(sent, ago, recipients=chance.randint(200, 900))
        attempt(sent, ago, kind="transient", code=452, recipients=chance.randint(5, 160))
        attempt(sent, ago, kind="permanent", code=550, recipients=chance.randint(0, 40))
    died = html_mail(HTML, **{"Message-ID": "<order-4711@example.com>"})
    died.subject = "Your order"
    died.attach("bill.pdf", b"%PDF-1.7" * 900, "application/pdf")
    entry = keep(died, **DEAD | {"attempts": 2, "queued_at": now() - timedelta(minutes=2)})
    for minutes, columns in ((1, DEAD), (2, FULL)):
        told = {name: columns[name] for name in ("kind", "stage", "code", "enhanced", "reason")}
        attempt(entry, timedelta(minutes=minutes), **told)
    assert Attempt.objects.exists()
    return entry


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures(admin, scheme):
    mailers = mailers_for(1, queue=admin)
    mailers["newsletter"] = mailers["default"]
    with override_settings(MAILERS=mailers), chromium() as browser, served() as address:
        entry = fill(admin)
        pages = {
            "list": LIST,
            "mail": page_of(entry),
            "content": page_of(entry, "content"),
            "overview": LIST + "overview/",
        }
        for device, size in (("", DESKTOP), ("-phone", PHONE)):
            page = logged_in(browser.new_context(color_scheme=scheme, viewport=size), address)
            page.add_init_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")
            for name, path in pages.items():
                if f"{name}{device}-{scheme}" in KEPT:
                    page.goto(address + path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=IMAGES / f"admin-{name}{device}-{scheme}.png")
