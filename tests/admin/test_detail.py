"""The page of one mail and the page of all mailers."""

from datetime import timedelta

from django.test import override_settings
from django.utils.timezone import now

from mailqueue import control
from mailqueue.admin import detail
from mailqueue.broker import bell
from tests.admin.mails import attempt, dead, keep
from tests.admin.test_list import asked
from tests.admin.test_permissions import LIST, page_of
from tests.ledger.projects import mailers_for

OVERVIEW = LIST + "overview/"


def test_the_list_leads_to_the_overview(visit, admin):
    assert (
        'href="/admin/mailqueue_ledger/entry/overview/"'
        in visit("viewer").get(LIST).content.decode()
    )


def test_the_attempts_are_told_the_last_one_first(visit, admin):
    entry = dead()
    attempt(entry, timedelta(hours=2), kind="transient", stage="recipient", code=450, reason="full")
    attempt(entry, kind="sent", code=250, recipients=3, queue_id="4XyZ1")
    response = visit("viewer").get(page_of(entry))
    assert [each.kind for each in response.context["attempts"]] == ["sent", "transient"]
    text = response.content.decode()
    for each in ("450", "full", "4XyZ1", "no such mailbox", "5.1.1"):
        assert each in text


def test_recipients_that_died_apart_are_told(visit, admin):
    entry = keep()
    part = dead(origin=entry.pk, message_id=entry.message_id)
    attempt(entry, kind="permanent", code=550, reason="of the whole")
    client = visit("viewer")
    assert page_of(part) in client.get(page_of(entry)).content.decode()
    text = client.get(page_of(part)).content.decode()
    assert page_of(entry) in text
    assert "of the whole" in text


def test_a_mail_with_many_attempts_and_parts_has_a_page(visit, admin, monkeypatch):
    monkeypatch.setattr(detail, "MOST_ATTEMPTS", 2)
    monkeypatch.setattr(detail, "MOST_PARTS", 1)
    entry = keep()
    for _ in range(3):
        attempt(entry)
        dead(origin=entry.pk, message_id=entry.message_id)
    context = visit("viewer").get(page_of(entry)).context
    assert (len(context["attempts"]), len(context["parts"])) == (2, 1)


def test_the_queries_of_the_page_are_bounded(visit, admin):
    entry = keep()
    client = visit("admin")
    few = asked(client, page_of(entry))
    for _ in range(5):
        attempt(entry)
        dead(origin=entry.pk, message_id=entry.message_id)
    assert len(asked(client, page_of(entry))) == len(few) <= 11


def test_the_overview_tells_of_each_mailer(visit, admin):
    keep(queued_at=now() - timedelta(hours=3))
    dead()
    response = visit("viewer").get(OVERVIEW)
    [(alias, told)] = response.context["mailers"]
    assert alias == "default"
    assert dict(told["counts"]) | {"queued": 1, "dead": 1} == dict(told["counts"])
    assert told["oldest"] == "3 h"
    assert "?mailer=default&amp;state=dead" in response.content.decode()


def test_a_broker_that_is_away_hides_only_its_own_mailers(visit, admin, monkeypatch):
    mailers = mailers_for(1, queue=admin)
    mailers["bare"] = {
        **mailers["default"],
        "OPTIONS": {**mailers["default"]["OPTIONS"], "ledger": None},
    }
    from mailqueue.admin import overview

    asked_for = []

    def away(lane):
        asked_for.append(lane.mailer)
        raise overview.PublishError("away")

    real = overview.overview
    monkeypatch.setattr(
        overview, "overview", lambda lane: real(lane) if lane.ledger else away(lane)
    )
    mailers["bare2"] = mailers["bare"]
    with override_settings(MAILERS=mailers):
        bell.forget()
        response = visit("viewer").get(OVERVIEW)
    assert [told is None for _, told in response.context["mailers"]] == [True, True, False]
    assert asked_for == ["bare"]
    assert "does not answer" in response.content.decode()


def test_a_paused_mailer_is_marked(visit, admin):
    client = visit("viewer")
    assert ">paused" not in client.get(OVERVIEW).content.decode()
    control.pause("default")
    assert ">paused for 0" in client.get(OVERVIEW).content.decode()


def test_the_queries_of_the_overview_are_bounded(visit, admin):
    entry = keep()
    client = visit("admin")
    few = asked(client, OVERVIEW)
    for hours in range(30):
        attempt(entry, timedelta(hours=hours))
    assert len(asked(client, OVERVIEW + "?span=month")) == len(few) <= 8
