"""What an operator sees of the table, on each database."""

import time

import pytest
from django.db import connections

from mailqueue.ledger.looking import batches, counts, facts, oldest
from mailqueue.ledger.models import Entry
from mailqueue.ledger.wanted import Wanted
from tests.ledger.mails import (
    LATER,
    NEVER,
    SENT,
    envelope,
    finish,
    ledger_with,
    record,
    settled,
    start,
)

KEPT = 7 * 86400.0


def settle_one(ledger, outcome, **fields):
    mail = envelope(**fields)
    finish(ledger, start(ledger, mail), settled(mail, a=outcome))
    return mail


def test_mails_are_counted_by_where_they_are(ledger):
    settle_one(ledger, SENT)
    settle_one(ledger, SENT)
    settle_one(ledger, NEVER)
    settle_one(ledger, LATER)
    start(ledger, envelope())
    record(ledger, envelope(), envelope(), envelope(due_at=time.time() + 9999))
    found = counts("default", keep_sent=KEPT)
    assert found.pop("oldest") < 60
    assert found == {
        "queued": 2,
        "sending": 1,
        "deferred": 1,
        "scheduled": 1,
        "dead": 1,
        "sent": 2,
    }


def test_the_oldest_is_that_without_an_end(ledger):
    settle_one(ledger, SENT, queued_at=time.time() - 9000)
    settle_one(ledger, NEVER, queued_at=time.time() - 9000)
    record(ledger, envelope(queued_at=time.time() - 500), envelope())
    assert 490 < counts("default", keep_sent=KEPT)["oldest"] < 600


def test_what_waits_for_its_time_is_not_old(ledger):
    record(ledger, envelope(due_at=time.time() + 9999, queued_at=time.time() - 500))
    assert counts("default", keep_sent=KEPT)["oldest"] is None


def test_only_the_last_hour_of_what_was_sent_counts(ledger):
    old = settle_one(ledger, SENT)
    settle_one(ledger, SENT)
    row = Entry.objects.get(pk=old.id)
    Entry.objects.filter(pk=old.id).update(purge_at=row.purge_at.replace(year=2020))
    assert counts("default", keep_sent=KEPT)["sent"] == 1


def test_another_mailers_mail_does_not_count(ledger):
    record(ledger, envelope(mailer="other"))
    assert counts("default", keep_sent=KEPT)["queued"] == 0


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), ["old", "dead", "later"]),
        (Wanted(state="dead"), ["dead"]),
        (Wanted(code=450), ["later"]),
        (Wanted(mailer="gone"), []),
        (Wanted(older_than=400), ["old"]),
        (Wanted(ids=["dead", "old"]), ["old", "dead"]),
    ],
)
def test_mails_are_listed_oldest_first(ledger, wanted, expected):
    record(ledger, envelope(id="old", queued_at=time.time() - 500))
    Entry.objects.update(due_at="2100-01-01T00:00:00+00:00")
    settle_one(ledger, NEVER, id="dead", queued_at=time.time() - 300)
    settle_one(ledger, LATER, id="later")
    found = list(facts(wanted, limit=10))
    assert [each["id"] for each in found] == expected
    assert all("payload" not in each for each in found)


def test_recipients_that_died_apart_are_found_by_the_mail_that_was_queued(ledger):
    mail = envelope("a@example.test", "b@example.test")
    finish(ledger, start(ledger, mail), settled(mail, a=SENT, b=NEVER))
    found = list(facts(Wanted(ids=[mail.id]), limit=10))
    assert sorted(each["state"] for each in found) == ["dead", "sent"]
    assert {each["origin"] or each["id"] for each in found} == {mail.id}


def test_what_is_asked_for_is_bounded(ledger):
    record(ledger, *[envelope() for _ in range(5)])
    assert len(list(facts(Wanted(), limit=3))) == 3


def test_the_oldest_content_that_may_still_be_needed(ledger):
    """What older mail refers to may be deleted: of mail that is sent, nothing is needed."""
    assert oldest() is None
    settle_one(ledger, SENT, queued_at=time.time() - 9000)
    assert oldest() is None
    settle_one(ledger, NEVER, queued_at=time.time() - 500)
    assert 490 < time.time() - oldest().timestamp() < 600
    record(ledger, envelope(queued_at=time.time() - 5000))
    assert 4990 < time.time() - oldest().timestamp() < 5100


def test_parts_of_what_is_asked_for_have_each_mail_once_though_some_go_meanwhile(ledger):
    mails = [envelope() for _ in range(5)]
    record(ledger, *mails, envelope(mailer="other"))
    found = []
    for ids in batches(Wanted(mailer=ledger.mailer), 2):
        found.append(ids)
        Entry.objects.filter(pk__in=ids).delete()
    assert [len(ids) for ids in found] == [2, 2, 1]
    assert sorted(name for ids in found for name in ids) == sorted(mail.id for mail in mails)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted(), True),
        (Wanted(state="dead", mailer="shop", code=550, ids=["other", "id"]), True),
        (Wanted(ids=["other"]), False),
        (Wanted(state="queued"), False),
        (Wanted(mailer="news"), False),
        (Wanted(code=450), False),
        (Wanted(older_than=60), False),  # the broker does not say how old one is
    ],
)
def test_dead_letters_of_the_broker_are_asked_for_by_the_same_words(wanted, has):
    assert wanted.has_letter(id="id", mailer="shop", code=550) is has


def test_counting_what_waits_reads_no_finished_rows(databases):
    """A million sent mails do not slow down the question that monitoring asks."""
    from tests.ledger.conftest import empty_table

    databases("postgresql")
    with empty_table("postgresql") as alias:
        ledger = ledger_with()
        record(ledger, *[envelope() for _ in range(3)])
        waiting = Entry.objects.filter(mailer="default", due_at__isnull=False)
        with connections[alias].cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
        plan = waiting.explain()
        with connections[alias].cursor() as cursor:
            cursor.execute("SET enable_seqscan = on")
    assert "mailqueue_due" in plan
