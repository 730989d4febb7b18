"""`manage.py mailqueue show` and `forget`: the story of a mail, at both levels and brokers."""

import json
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models import QuerySet

from mailqueue.errors import PublishError
from mailqueue.mail import mailers
from mailqueue.operating import letters
from tests.project_app import run_task
from tests.worker.project import dead, queued

pytestmark = pytest.mark.django_db(transaction=True)


def send(*to, subject="Hello"):
    messages = [EmailMessage(subject, "body", "me@x.test", [name]) for name in to]
    mailers.default.send_messages(messages)


def told(action, *names, **options):
    out = StringIO()
    call_command("mailqueue", action, *names, stdout=out, stderr=out, **options)
    return out.getvalue()


def story(name, **options):
    return json.loads(told("show", name, as_json=True, **options))


def test_did_ann_get_her_mail(kept, sink):
    sink.answer("DATA", "250 2.0.0 Ok: queued as 4F1")
    send("Ann <ann@x.test>", "b@x.test")
    [waiting] = story("ann@x.test")
    assert (waiting["state"], waiting["history"]) == ("queued", [])
    run_task(queued(kept))
    [mail] = story("ann@x.test")
    assert (mail["state"], mail["subject"]) == ("sent", "Hello")
    assert mail["recipients"] == ["Ann <ann@x.test>"]
    [attempt] = mail["history"]
    assert (attempt["kind"], attempt["code"], attempt["recipients"]) == ("sent", 250, 1)
    assert story(mail["id"]) == story(mail["message_id"]) == [mail]
    text = told("show", "ann@x.test")
    for each in (mail["id"], mail["message_id"], "Hello", "ann@x.test", "sent", "250"):
        assert each in text


def test_why_did_it_die(kept, sink):
    sink.answer("RCPT", "450 4.2.0 later", to="ann@x.test", times=1)
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="ann@x.test")
    send("ann@x.test")
    run_task(queued(kept))
    call_command("mailqueue", "list", stdout=StringIO())
    [mail] = story("ann@x.test")
    assert (mail["state"], mail["history"][0]["code"]) == ("deferred", 450)
    assert "next attempt" in told("show", "ann@x.test")


def test_the_newest_come_first_and_no_more_than_asked_for(kept):
    send(*["ann@x.test"] * 3)
    assert len(story("ann@x.test")) == 3
    assert "--limit" in told("show", "ann@x.test", limit=2)


@pytest.mark.parametrize("name", ["nobody@x.test", "1", "<>", "a" * 500])
def test_what_nobody_knows(kept, name):
    send("ann@x.test")
    with pytest.raises(CommandError, match="No mail is known by that name"):
        told("show", name)


def test_a_terminal_is_not_steered(kept):
    send("ann@x.test", subject="a\x1b[31mred\x9b")
    text = told("show", "ann@x.test")
    assert "red" in text
    assert text.replace("\n", "").isprintable()


def test_times_are_those_of_the_project(kept, settings):
    send("ann@x.test")
    [mail] = story("ann@x.test")
    for zone in ("Asia/Kathmandu", "America/New_York"):
        settings.TIME_ZONE = zone
        here = datetime.fromisoformat(mail["queued_at"]).astimezone(ZoneInfo(zone))
        assert f"{here:%Y-%m-%d %H:%M:%S} (" in told("show", "ann@x.test")


def test_a_database_that_is_away_is_status_2(kept, monkeypatch):
    send("ann@x.test")

    def away(*args, **kwargs):
        raise OperationalError("ann@x.test")

    for query in ("_fetch_all", "aggregate", "count", "update"):
        monkeypatch.setattr(QuerySet, query, away)
    asked = {"show": ["ann@x.test"], "forget": ["ann@x.test", "--yes"], "list": [], "status": []}
    for action, names in asked.items():
        with pytest.raises(CommandError, match="cannot be asked: OperationalError") as raised:
            told(action, *names)
        assert raised.value.returncode == 2
        assert "ann@" not in str(raised.value)
    with pytest.raises(CommandError, match=r"others stay .* OperationalError"):
        told("discard", "--all", "--yes")


def test_of_the_brokers_dead_letters_the_last_attempt_is_known(bare, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="ann@x.test")
    send("ann@x.test", "b@x.test")
    run_task(queued(bare))
    [mail] = story("ann@x.test")
    assert (mail["state"], mail["code"], mail["kept"]) == ("dead", 550, "broker")
    assert (mail["subject"], mail["recipients"]) == ("Hello", ["ann@x.test"])
    assert story(mail["id"]) == story(mail["message_id"]) == [mail]
    assert "550 5.1.1" in told("show", "ann@x.test")
    with pytest.raises(CommandError):
        told("show", "b@x.test")
    assert len(dead(bare)) == 1


def test_forgetting_deletes_dead_letters_and_erases_the_rest(kept, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="ann@x.test", times=1)
    send("ann@x.test", "ann@x.test", "b@x.test")
    run_task(queued(kept))
    assert told("forget", "Ann@X.test", yes=True) == "1 mails erased, 1 dead letters deleted\n"
    with pytest.raises(CommandError, match="No mail is known"):
        told("show", "ann@x.test")
    assert len(story("b@x.test")) == 1
    assert told("forget", "ann@x.test", yes=True) == "0 mails erased, 0 dead letters deleted\n"


def test_what_is_still_to_be_sent_is_not_forgotten(kept):
    send("ann@x.test")
    with pytest.raises(CommandError, match="1 mails to it are still to be sent"):
        told("forget", "ann@x.test", yes=True)
    assert len(story("ann@x.test")) == 1


def test_dead_letters_of_the_broker_are_forgotten(bare, sink, unclaimed):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", times=2)
    send("ann@x.test", "b@x.test")
    run_task(queued(bare))
    run_task(json.dumps(["garbage"]))
    said = told("forget", "ann@x.test", yes=True)
    assert "1 dead letters deleted" in said
    assert "1 mails cannot be opened here" in said
    assert len(dead(bare)) == 1
    assert len(unclaimed()) == 1


def test_nothing_is_forgotten_unasked(kept, monkeypatch):
    send("ann@x.test")
    with pytest.raises(CommandError, match="--yes"):
        told("forget", "ann@x.test")
    with pytest.raises(CommandError, match="Expected an address"):
        told("forget", "ann", yes=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(CommandError, match="Nothing was done"):
        told("forget", "ann@x.test")


@pytest.mark.parametrize(("action", "options"), [("show", {}), ("forget", {"yes": True})])
def test_a_broker_that_is_away_is_status_2(bare, monkeypatch, action, options):
    def away(*args, **kwargs):
        raise PublishError("away")

    monkeypatch.setattr(letters, "each", away)
    with pytest.raises(CommandError) as raised:
        told(action, "ann@x.test", **options)
    assert raised.value.returncode == 2
