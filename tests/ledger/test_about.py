"""What a row tells of its mail, and what each attempt came to, on each database."""

import dataclasses
import time
from threading import Thread

import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import OperationalError, connections, transaction
from django.db.models.signals import pre_delete
from django.test import override_settings

from mailqueue.ledger.about import About, about, mailbox, read, written
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.forgetting import forget_kept
from mailqueue.ledger.looking import history, named
from mailqueue.ledger.models import Attempt, Entry, Recipient, State
from mailqueue.ledger.removing import remove
from mailqueue.wire.signature import keys_from_settings, worker_keys
from tests.ledger.mails import (
    LATER,
    NEVER,
    PAST,
    SENT,
    envelope,
    finish,
    ledger_with,
    make_due,
    options,
    record,
    row,
    settled,
    start,
)

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ANN = "Ann <ann@example.test>"


def found(text: str) -> set[str]:
    return set(named(text, worker_keys()).values_list("pk", flat=True))


def told(mail) -> About | None:
    return read(row(mail).about, worker_keys())


def forget(address: str) -> tuple[int, ...]:
    return tuple(map(sum, zip(*forget_kept(address), strict=True))) or (0, 0, 0, 0)


def test_a_mail_is_found_by_each_of_its_names(ledger):
    mail, other = envelope(ANN, "b@example.test"), envelope("c@example.test")
    other.message["headers"] = [["Message-ID", "<2@example.test>"]]
    record(ledger, mail, other)
    assert told(mail) == About("Subject", (ANN, "b@example.test"))
    for name in ("ann@example.test", ANN, " ANN@Example.TEST ", "b@example.test", mail.id):
        assert found(name) == {mail.id}, name
    for name in ("<1@example.test>", "1@example.test"):
        assert found(name) == {mail.id}, name
    for name in ("nobody@example.test", "", "<>", "Subject", "ann", "%", mail.id[:31]):
        assert found(name) == set(), name


def test_a_domain_in_unicode_is_the_one_in_ascii(ledger):
    mail = envelope("a@bücher.example")
    record(ledger, mail)
    assert found("A@xn--bcher-kva.example") == {mail.id} == found("a@bücher.example")


def test_who_has_another_domain_is_another(ledger):
    """By IDNA 2008 these are two domains, with two owners."""
    mail = envelope("a@strasse.example")
    record(ledger, mail)
    assert found("a@straße.example") == set()
    assert forget("a@straße.example") == (0, 0, 0, 0)
    assert found("A@STRASSE.example") == {mail.id}


def test_of_many_mails_to_one_the_newest_are_found(ledger, monkeypatch):
    monkeypatch.setattr("mailqueue.ledger.looking.MOST", 2)
    mails = [envelope(ANN, queued_at=time.time() - 1000 * age) for age in (1, 4, 0, 3, 2, 5)]
    for number, mail in enumerate(mails):
        mail.message["headers"] = [["Message-ID", f"<{number}@example.test>"]]
    record(ledger, *mails)
    assert found("ann@example.test") == {mails[0].id, mails[2].id}


def test_the_newest_are_found_whether_somebody_is_the_first_recipient_or_another(
    ledger, monkeypatch
):
    monkeypatch.setattr("mailqueue.ledger.looking.MOST", 3)
    both = ("b@example.test", ANN)
    ages = enumerate([(ANN,), both, (ANN,), both, both])
    mails = [envelope(*to, queued_at=time.time() - 1000 * age) for age, to in ages]
    record(ledger, *mails)
    assert Recipient.objects.count() == 3
    assert found("ann@example.test") == {mail.id for mail in mails[:3]}
    assert found("b@example.test") == {
        mail.id for mail in mails if mail not in (mails[0], mails[2])
    }


def test_a_long_message_id_is_found_though_it_is_kept_cut(ledger):
    mail, name = envelope(ANN), f"{'x' * 300}@example.test"
    mail.message["headers"] = [["Message-ID", f"<{name}>"]]
    record(ledger, mail)
    assert found(f"<{name}>") == found(name) == {mail.id}


@pytest.mark.parametrize(
    "text", ["", "no address", "a@b@c.test", "<>", "é@x.test", "a" * 2000, "a\0@x.test", "\udc80@x"]
)
def test_what_is_no_address_is_looked_for_all_the_same(text):
    assert mailbox(text) == mailbox(mailbox(text))


@pytest.mark.parametrize("subject", ["", "Grüße ✓", "\0", "\udc80", 'a"b\\c', "{", "x" * 5000])
@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_any_subject_comes_back(subject, keys):
    keys = keys_from_settings(keys)
    told = About(subject, ("\udcff@x.test", "é@x.test"))
    text = written(told, keys)
    text.encode()  # as a database does
    assert "\0" not in text
    assert read(text, keys) == told


@pytest.mark.parametrize("text", ["{}", "[", "{", "é", "AAAA", "1", '{"subject": "s"}', "A" * 101])
@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_what_cannot_be_read_tells_nothing(text, keys):
    assert read(text, keys_from_settings(keys)) is None


def test_with_keys_the_table_shows_neither_subject_nor_address(table):
    sealing = DatabaseLedger("default", options(), keys_from_settings([KEY]))
    mail = envelope(ANN)
    record(sealing, mail)
    row_of = Entry.objects.filter(pk=mail.id).values().get()
    shown = repr({**row_of, "payload": ""}) + repr(list(Recipient.objects.values()))
    assert 'Subject"' not in shown
    assert "ann@" not in shown.lower()
    with override_settings(MAILERS={"default": {"OPTIONS": {"encryption_keys": [KEY]}}}):
        assert told(mail) == About("Subject", (ANN,))
    assert told(mail) is None
    assert found("ann@example.test") == {mail.id}


def test_a_recipient_is_found_after_the_key_was_changed(ledger):
    mail = envelope(ANN)
    record(ledger, mail)
    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[old]):
        assert found("ann@example.test") == {mail.id}
    with override_settings(SECRET_KEY="new"):
        assert found("ann@example.test") == set()


def test_neither_is_kept_where_that_is_not_wanted(table):
    silent = ledger_with(keep_headers=False)
    mail = envelope(ANN, "b@example.test")
    record(silent, mail)
    assert (row(mail).about, row(mail).recipient) == ("", "")
    assert not Recipient.objects.exists()
    assert found("<1@example.test>") == {mail.id}


def test_each_attempt_is_told_by_how_its_recipients_fared(ledger):
    mail = envelope("a@example.test", "b@example.test", "c@example.test")
    accepted = dataclasses.replace(SENT, code=250, queue_id="4F1")
    first = start(ledger, mail)
    finish(ledger, first, settled(mail, a=accepted, b=LATER, c=accepted))
    make_due(mail)
    [again] = ledger.claim(limit=1)
    finish(ledger, again, settled(again.envelope, b=NEVER))
    attempts = list(history([mail.id]))
    shown = [
        (each["kind"], each["code"], each["recipients"], each["queue_id"]) for each in attempts
    ]
    assert sorted(shown[:2]) == [("sent", 250, 2, "4F1"), ("transient", 450, 1, "")]
    assert shown[2:] == [("permanent", 550, 1, "")]
    assert attempts[0]["at"] <= attempts[2]["at"]


def test_an_address_that_a_relay_says_in_place_of_its_name_is_not_kept(ledger):
    mail = envelope("a@example.test")
    says = dataclasses.replace(SENT, queue_id="a@example.test")
    finish(ledger, start(ledger, mail), settled(mail, a=says))
    assert [each["queue_id"] for each in history([mail.id])] == [""]


def test_an_attempt_is_noted_once(ledger):
    """Only the answer was lost: the worker says it once more."""
    mail = envelope("a@example.test")
    claim = start(ledger, mail)
    for _ in range(2):
        finish(ledger, claim, settled(mail, a=SENT))
    assert Attempt.objects.count() == 1


def test_mails_that_have_no_message_id_are_not_found_by_one_another(ledger):
    mail, other = envelope(ANN), envelope("b@example.test")
    record(ledger, mail, other)
    Entry.objects.update(message_id="")
    assert found(mail.id) == {mail.id}


def test_those_who_died_apart_are_found(ledger):
    mail = envelope("a@example.test", "b@example.test")
    [dead] = finish(ledger, start(ledger, mail), settled(mail, a=SENT, b=NEVER))
    part = dead.envelope.id
    assert found("b@example.test") == {mail.id, part}
    assert found(mail.id) == {mail.id, part}
    assert read(Entry.objects.get(pk=part).about, worker_keys()) == About(
        "Subject", ("b@example.test",)
    )


def test_content_of_sent_mail_stays_as_long_as_is_said(table):
    keeping = ledger_with(keep_content=3600.0)
    mail, other = envelope(), envelope()
    finish(keeping, start(keeping, mail), settled(mail, a=SENT))
    assert row(mail).payload
    finish(ledger_with(), start(ledger_with(), other), settled(other, a=SENT))
    assert row(other).payload == ""
    keeping.purge(limit=10)
    assert row(mail).payload
    Entry.objects.filter(pk=mail.id).update(erase_at=PAST)
    keeping.purge(limit=10)
    assert (row(mail).payload, row(mail).size, row(mail).state) == ("", 0, State.SENT)


def test_what_is_purged_leaves_nothing_behind(ledger):
    mail, other = envelope(ANN, "b@example.test"), envelope(ANN, "b@example.test")
    for each in (mail, other):
        finish(ledger, start(ledger, each), settled(each, ann=SENT, b=SENT))
    Entry.objects.filter(pk=mail.id).update(purge_at=PAST)
    assert ledger.purge(limit=10) == 1
    assert set(Attempt.objects.values_list("entry_id", flat=True)) == {other.id}
    assert set(Recipient.objects.values_list("entry_id", flat=True)) == {other.id}


def test_an_address_is_forgotten(ledger):
    sent, shared, dead, waiting = envelope(ANN), envelope(ANN, "b@example.test"), *both()
    finish(ledger, start(ledger, sent), settled(sent, ann=SENT))
    finish(ledger, start(ledger, shared), settled(shared, ann=SENT, b=SENT))
    finish(ledger, start(ledger, dead), settled(dead, ann=NEVER))
    record(ledger, waiting, stranger := envelope("b@example.test"))
    assert forget("ANN@example.test") == (2, 1, 1, 0)
    assert told(sent) is None
    assert told(shared) == About("Subject", ("b@example.test",))
    assert not Entry.objects.filter(pk=dead.id).exists()
    assert told(waiting) == About("Subject", (ANN,))
    assert found("ann@example.test") == {waiting.id}
    assert found("b@example.test") == {shared.id, stranger.id}
    assert forget("ann@example.test") == (0, 0, 1, 0)


def both():
    return envelope(ANN), envelope(ANN)


def test_a_dead_letter_that_is_being_deleted_is_not_queued_anew_meanwhile(ledger, table):
    """Where a project listens to pre_delete, Django reads rows before it deletes them."""
    if not connections[table].features.has_select_for_update_nowait:
        pytest.skip("it has one writer at a time")
    dead = envelope(ANN)
    finish(ledger, start(ledger, dead), settled(dead, ann=NEVER))
    locked = []

    def other() -> None:
        try:
            with transaction.atomic(using=table):
                Entry.objects.select_for_update(nowait=True).get(pk=dead.id)
        except OperationalError:
            locked.append(dead.id)
        finally:
            connections.close_all()

    def meanwhile(**given: object) -> None:
        thread = Thread(target=other)
        thread.start()
        thread.join()

    pre_delete.connect(meanwhile, sender=Entry)
    try:
        assert remove([dead.id], state=State.DEAD) == 1
    finally:
        pre_delete.disconnect(meanwhile, sender=Entry)
    assert locked == [dead.id]


def test_a_dead_letter_whose_time_is_over_may_be_queued_anew_just_then(ledger, monkeypatch):
    dead = envelope(ANN)
    finish(ledger, start(ledger, dead), settled(dead, ann=NEVER))
    Entry.objects.update(purge_at=PAST)

    def late(ids: list[str], **still: object) -> int:
        assert ledger.requeue(ids) == 1
        return remove(ids, **still)

    monkeypatch.setattr("mailqueue.ledger.database.remove", late)
    assert ledger.purge(limit=10) == 0
    assert row(dead).state == State.QUEUED
    assert found("ann@example.test") == {dead.id}


def test_what_tells_nothing_beside_its_content_is_forgotten_too(table):
    silent = ledger_with(keep_headers=False, keep_content=3600.0)
    sent, dead, other = envelope(ANN), envelope(ANN), envelope("b@example.test")
    finish(silent, start(silent, sent), settled(sent, ann=SENT))
    finish(silent, start(silent, dead), settled(dead, ann=NEVER))
    finish(silent, start(silent, other), settled(other, b=NEVER))
    record(silent, waiting := envelope(ANN))
    assert forget("ann@example.test") == (1, 1, 1, 0)
    assert row(sent).payload == ""
    assert set(Entry.objects.values_list("pk", flat=True)) == {sent.id, other.id, waiting.id}
    with override_settings(SECRET_KEY="another"):
        assert forget("ann@example.test") == (0, 0, 0, 2)


def test_many_mails_to_one_are_forgotten(ledger, monkeypatch):
    monkeypatch.setattr("mailqueue.ledger.forgetting.BATCH", 2)
    mails = [envelope(ANN) for _ in range(5)]
    record(ledger, *mails)
    Entry.objects.exclude(pk=mails[0].id).update(state=State.SENT, due_at=None)
    assert forget("ann@example.test") == (4, 0, 1, 0)


def test_recipients_are_those_whom_django_sends_to():
    """Also of a message whose class says so itself."""
    message = EmailMessage("s", "b", "f@x.test", ["a@x.test"], cc=["c@x.test"], bcc=["d@x.test"])
    mail = envelope()
    mail.message.update(to=["a@x.test", ""], cc=["c@x.test"], bcc=["d@x.test", "a@x.test"])
    assert list(about(mail).recipients) == message.recipients()
    mail.message["recipients"] = ["own@x.test"]
    assert about(mail).recipients == ("own@x.test",)
