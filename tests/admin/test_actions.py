"""Requeue, cancel and discard: what they do, to what, and what they say."""

import dataclasses
from contextlib import contextmanager

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse

from mailqueue import signals
from mailqueue.admin import acting
from mailqueue.broker.publish import publisher
from mailqueue.ledger.models import Attempt, Entry, Recipient
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import keys_from_settings
from tests.admin.mails import attempt, dead, keep
from tests.admin.site import ALIAS
from tests.admin.test_permissions import LIST, page_of


def choose(client, action: str, *entries: Entry, query: str = "", **posted: str):
    chosen = {"action": action, "_selected_action": [entry.pk for entry in entries], "index": "0"}
    return client.post(LIST + query, chosen | posted, follow=True)


def confirm(client, action: str, *entries: Entry, query: str = "", **posted: str):
    """Post what the page of the question does."""
    chosen = {"action": action, "_selected_action": [entry.pk for entry in entries]}
    return client.post(LIST + query, chosen | {"confirmed": "yes"} | posted, follow=True)


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def states() -> dict[str, str]:
    return dict(Entry.objects.values_list("pk", "state"))


def test_requeue_is_the_commands(visit, admin):
    one, two, sent = dead(), dead(), keep(state="sent", due_at=None)
    response = choose(visit("operator"), "requeue", one, two, sent)
    assert said(response) == [
        "2 mails queued anew.",
        "1 mail left as before: only dead letters of a mailer in MAILERS can be queued anew.",
    ]
    row = Entry.objects.get(pk=one.pk)
    assert (row.state, row.attempts, row.purge_at) == ("queued", 0, None)
    assert row.due_at is not None
    assert unpack(row.payload, keys_from_settings()).attempts == 0
    assert states()[sent.pk] == "sent"
    assert publisher().waiting(admin) > 0  # a ring


def test_dead_letters_of_a_mailer_that_is_gone_stay(visit, admin):
    entry = dead()
    Entry.objects.update(mailer="gone")
    response = choose(visit("operator"), "requeue", entry)
    assert "left as before" in said(response)[0]
    assert states()[entry.pk] == "dead"
    response = confirm(visit("remover"), "delete_selected", entry)
    assert said(response) == ["1 mail deleted for good."]


def test_cancel_is_the_commands(visit, admin):
    waiting, sending, doubt, sent = (
        keep(),
        keep(state="sending", handed=1),
        keep(state="deferred", handed=1),
        keep(state="sent", due_at=None),
    )
    heard = []
    with listening(signals.cancelled, heard):
        response = choose(visit("operator"), "cancel", waiting, sending, doubt, sent)
    assert said(response)[0] == "1 mail cancelled."
    assert said(response)[1].startswith("3 mails left as before")
    assert states()[waiting.pk] == "cancelled"
    assert Entry.objects.get(pk=waiting.pk).payload == ""
    assert heard == [waiting.pk]


@contextmanager
def listening(signal, heard):
    def hear(**told):
        heard.append(told["id"])

    signal.connect(hear)
    try:
        yield
    finally:
        signal.disconnect(hear)


def test_discard_asks_first_and_leaves_nothing_behind(visit, admin):
    to_two = EmailMessage("s", "b", "from@example.test", ["ann@example.test", "bo@example.test"])
    one, other, sent = dead(to_two), dead(to_two), keep(state="sent", due_at=None)
    for entry in (one, other, sent):
        attempt(entry)
    client = visit("remover")
    response = choose(client, "delete_selected", one, sent)
    assert "1 mail?" in response.content.decode()
    assert len(states()) == 3
    response = confirm(client, "delete_selected", one, sent)
    assert said(response)[0] == "1 mail deleted for good."
    assert set(states()) == {other.pk, sent.pk}
    for told in (Attempt, Recipient):
        assert not told.objects.filter(entry_id=one.pk).exists()
        assert told.objects.filter(entry_id=other.pk).exists()
    assert LogEntry.objects.get().action_flag == DELETION


def test_nothing_to_discard_is_not_asked_about(visit, admin):
    response = choose(visit("remover"), "delete_selected", keep())
    assert said(response) == ["Nothing was done: only dead letters can be discarded."]


def test_all_that_a_list_shows_is_asked_about_and_done_in_batches(visit, monkeypatch):
    monkeypatch.setattr(acting, "BATCH", 2)
    mails = [dead() for _ in range(5)]
    other = dead()
    Entry.objects.filter(pk=other.pk).update(mailer="gone")
    client = visit("admin")
    across = {"query": "?mailer=default", "select_across": "1"}
    question = choose(client, "requeue", mails[0], **across)
    assert "5 mails?" in question.content.decode()
    assert set(states().values()) == {"dead"}
    response = confirm(client, "requeue", mails[0], **across)
    assert said(response) == ["5 mails queued anew."]
    assert [pk for pk, state in states().items() if state == "dead"] == [other.pk]
    noted = LogEntry.objects.get()
    assert (noted.object_id, noted.object_repr) == (None, "5 mails")
    response = confirm(client, "cancel", mails[0], **across)
    assert said(response) == ["5 mails cancelled."]


def test_a_long_action_ends_in_time_and_says_so(visit, monkeypatch):
    monkeypatch.setattr(acting, "BATCH", 2)
    monkeypatch.setattr(acting, "SECONDS", -1.0)
    mails = [dead() for _ in range(5)]
    client = visit("admin")
    response = confirm(client, "requeue", mails[0], select_across="1")
    assert said(response) == [
        "2 mails queued anew.",
        "There are more of them: the time was over. Do it once more.",
    ]
    assert list(states().values()).count("dead") == 3


def test_a_batch_of_which_nothing_can_be_done_ends_it(admin):
    entry = dead()
    nothing = dataclasses.replace(acting.REQUEUE, act=lambda rows: 0)
    assert acting.carry_out(nothing, Entry.objects.all()) == (0, True)
    assert states()[entry.pk] == "dead"


def test_a_ring_waits_for_the_commit(admin):
    entry = dead()
    with transaction.atomic(using=ALIAS):
        acting.carry_out(acting.REQUEUE, Entry.objects.filter(pk=entry.pk))
        assert publisher().waiting(admin) == 0
    assert publisher().waiting(admin) > 0


def test_the_page_of_a_mail_has_the_buttons_for_its_state(visit, admin):
    offered = {
        "dead": ["Queue anew", "Discard"],
        "queued": ["Cancel"],
        "sent": [],
    }
    rows = {"dead": dead(), "queued": keep(), "sent": keep(state="sent", due_at=None)}
    for state, entry in rows.items():
        response = visit("admin").get(page_of(entry))
        assert [verb.title for verb in response.context["verbs"]] == offered[state]
    assert visit("viewer").get(page_of(rows["dead"])).context["verbs"] == []


def test_the_buttons_of_a_mail(visit, admin):
    entry = dead()
    client = visit("admin")
    response = client.post(page_of(entry), {"action": "requeue"}, follow=True)
    assert said(response) == ["1 mail queued anew."]
    response = client.post(page_of(entry), {"action": "cancel"}, follow=True)
    assert said(response) == ["1 mail cancelled."]
    assert {noted.object_id for noted in LogEntry.objects.all()} == {entry.pk}

    entry = dead()
    response = client.post(page_of(entry), {"action": "discard"})
    assert "1 mail?" in response.content.decode()
    posted = {"action": "discard", "confirmed": "yes"}
    response = client.post(page_of(entry), posted, follow=True)
    assert response.request["PATH_INFO"] == LIST
    assert said(response) == ["1 mail deleted for good."]


def test_a_button_that_came_too_late_says_so(visit, admin):
    entry = keep(state="sending", handed=1)
    response = visit("admin").post(page_of(entry), {"action": "cancel"}, follow=True)
    assert said(response)[0].startswith("1 mail left as before: only mail that waits")


@pytest.mark.parametrize("name", ["change", "content", "history"])
def test_ids_of_any_form_have_a_page(visit, admin, name):
    entry = dead()
    Entry.objects.filter(pk=entry.pk).update(id="key_of-mine__5F")
    url = reverse(f"admin:mailqueue_ledger_entry_{name}", args=["key_5Fof-mine_5F_5F5F"])
    assert visit("admin").get(url).status_code == 200
