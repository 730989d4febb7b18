"""The admin in a real browser: what an operator does, and what a mail may not do."""

import re

import pytest
from playwright.sync_api import expect

from mailqueue.admin import reading
from mailqueue.ledger.models import Entry
from tests.admin import hostile
from tests.admin.browser import chromium, listening, log_in, logged_in, served
from tests.admin.mails import dead, html_mail, keep
from tests.admin.test_permissions import LIST, page_of


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def address(admin):
    with served() as running:
        yield running


@pytest.fixture
def open_page(browser, address):
    """Open a page of somebody who has logged in."""
    contexts = []

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        return logged_in(contexts[-1], address)

    yield open_page
    for each in contexts:
        each.close()


def test_an_operator_finds_a_dead_letter_and_queues_it_anew(open_page, address):
    entry = dead(html_mail("<p>Hi</p>"))
    other = keep()
    page = open_page()
    page.context.clear_cookies()
    log_in(page, address)
    page.goto(address + LIST)
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    page.click("#changelist-filter a[href*='state=dead']")
    expect(rows).to_have_count(1)
    page.fill("#searchbar", "ann@example.test")
    page.press("#searchbar", "Enter")
    page.wait_for_url(re.compile("q=ann"))
    page.click("#result_list tbody th a")
    page.wait_for_url(f"{address}{page_of(entry)}*")
    expect(page.locator("#content-main")).to_contain_text("no such mailbox")
    page.click("button[value=requeue]")
    assert "1 mail queued anew." in page.inner_text(".messagelist")
    assert Entry.objects.get(pk=entry.pk).state == "queued"

    page.goto(address + LIST)
    page.check("#action-toggle")
    page.select_option("select[name=action]", "cancel")
    page.click("button[name=index]")
    assert "2 mails cancelled." in page.inner_text(".messagelist")
    assert Entry.objects.get(pk=other.pk).state == "cancelled"


def test_a_discard_is_asked_about(open_page, address):
    entry = dead()
    page = open_page()
    page.goto(address + page_of(entry))
    page.click("button[value=discard]")
    page.click("text=No, take me back")
    assert Entry.objects.exists()
    page.click("button[value=discard]")
    page.click("text=Yes, discard")
    assert "1 mail deleted for good." in page.inner_text(".messagelist")
    assert not Entry.objects.exists()


def test_no_page_is_wider_than_a_phone(open_page, address):
    entry = dead(html_mail("<p>Hi</p>", **{"X-Long": "x" * 300}))
    page = open_page(viewport={"width": 375, "height": 700})
    for path in (LIST, LIST + "overview/", page_of(entry), page_of(entry, "content")):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path


def has_run(page, mail) -> bool:
    """Tell whether a script of the mail has done something, in it or in the page around it."""
    page.wait_for_load_state("networkidle")
    return mail.locator("#seen").inner_text() != "Hello" or page.evaluate("window.hit === 1")


def test_a_hostile_mail_runs_nothing_and_tells_nobody(open_page, address):
    with listening() as listener:
        entry = keep(html_mail(hostile.page_for(listener.address)))
        page = open_page()
        page.goto(address + page_of(entry, "content"))
        frame = page.frame_locator("iframe")
        assert not has_run(page, frame)
        for what in ("#run", "#send", "#link", "#drawn"):
            frame.locator(what).click()
            assert not has_run(page, frame)
            assert listener.asked == [], what
        assert page.url == address + page_of(entry, "content")


def test_it_is_as_harmless_outside_of_the_frame(open_page, address):
    with listening() as listener:
        entry = keep(html_mail(hostile.page_for(listener.address)))
        page = open_page()
        page.goto(address + page_of(entry, "html"))
        assert not has_run(page, page)
        assert listener.asked == []
        assert page.url == address + page_of(entry, "html")


def test_the_mail_is_hostile_indeed(open_page, address, monkeypatch):
    """Without the policy it runs and tells: so the tests above see what they say."""
    monkeypatch.setattr(reading, "POLICY", "")
    page = open_page()
    with listening() as listener:
        entry = keep(html_mail(hostile.page_for(listener.address)))
        page.goto(address + page_of(entry, "html"), wait_until="commit")
        page.wait_for_url(f"{listener.address}/*")
        assert listener.asked != []
    entry = keep(html_mail(f"<p id=seen>Hello</p><script>{hostile.SCRIPT}</script>"))
    page.goto(address + page_of(entry, "html"))
    assert has_run(page, page)
