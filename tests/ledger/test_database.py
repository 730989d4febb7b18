"""What the database level promises alone, on SQLite, PostgreSQL and MariaDB."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.db import connections, transaction
from django.utils.timezone import now

from mailqueue.ledger.database import GRACE, DatabaseLedger
from mailqueue.ledger.models import Entry, State
from mailqueue.wire.envelope import pack, unpack
from mailqueue.wire.reference import Reference
from mailqueue.wire.signature import keys_from_settings
from tests.ledger.mails import (
    LATER,
    LOST,
    NEVER,
    OURS,
    SENT,
    envelope,
    later,
    options,
    settled,
)

PAST = "2001-01-01T00:00:00+00:00"


@pytest.fixture
def ledger(table) -> DatabaseLedger:
    return DatabaseLedger(options(), keys_from_settings())


def record(ledger, *mails):
    keys = keys_from_settings()
    return ledger.record([(mail, pack(mail, keys)) for mail in mails])


def claim(ledger, *mails):
    return ledger.claim([Reference(id=mail.id, mailer=mail.mailer) for mail in mails])


def start(ledger, mail):
    """Record, claim and hand over a mail."""
    record(ledger, mail)
    [mine] = claim(ledger, mail)
    assert ledger.hand_over(mine)
    return mine


def row(mail) -> Entry:
    return Entry.objects.get(pk=mail.id)


def make_due(*mails) -> None:
    Entry.objects.filter(pk__in=[mail.id for mail in mails]).update(due_at=PAST)


def due(ledger, limit=100):
    return [each.id for each in ledger.due(["default"], limit=limit)]


def seconds_until(moment) -> float:
    return (moment - now()).total_seconds()


def test_a_mail_is_due_again_if_nobody_claims_it_in_time(ledger):
    mail = envelope()
    assert record(ledger, mail) == [mail.id]
    assert due(ledger) == []
    assert GRACE - 20 < seconds_until(row(mail).due_at) <= GRACE + 1
    make_due(mail)
    assert due(ledger) == [mail.id]
    assert due(ledger) == []


def test_the_relay_waits_twice_as_long_each_time_up_to_an_hour(ledger):
    mail = envelope()
    record(ledger, mail)
    waits = []
    for _ in range(9):
        make_due(mail)
        assert due(ledger) == [mail.id]
        waits.append(round(seconds_until(row(mail).due_at) / GRACE))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_of_many_relays_one_publishes_each(ledger):
    mails = [envelope() for _ in range(60)]
    record(ledger, *mails)
    make_due(*mails)
    together = Barrier(3)

    def relay(_):
        together.wait()
        try:
            return [each for _ in range(6) for each in due(ledger, limit=10)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        ids = [each for found in pool.map(relay, range(3)) for each in found]
    assert sorted(ids) == sorted(mail.id for mail in mails)


def test_a_relay_takes_only_mailers_that_it_knows(ledger):
    mail = envelope(mailer="other")
    record(ledger, mail)
    make_due(mail)
    assert due(ledger) == []


def test_send_at_waits_in_the_table(ledger):
    mail = later(envelope())
    assert record(ledger, mail) == []
    assert row(mail).state == State.DEFERRED
    assert row(mail).due_at.timestamp() == pytest.approx(mail.due_at, abs=1)
    assert claim(ledger, mail) == []
    make_due(mail)
    assert due(ledger) == [mail.id]
    [mine] = claim(ledger, mail)
    assert mine.envelope.due_at is None


def test_sent_keeps_the_row_and_forgets_the_content(ledger):
    mail = envelope()
    ledger.finish(start(ledger, mail), settled(mail, a=SENT))
    entry = row(mail)
    assert (entry.state, entry.payload, entry.due_at) == (State.SENT, "", None)
    assert entry.finished_at is not None
    assert 6.9 * 86400 < seconds_until(entry.purge_at) <= 7 * 86400


def test_a_retry_waits_in_the_table_for_those_who_are_left(ledger):
    mail = envelope("a@example.test", "b@example.test")
    ledger.finish(start(ledger, mail), settled(mail, a=SENT, b=LATER))
    entry = row(mail)
    assert (entry.state, entry.attempts, entry.code) == (State.DEFERRED, 1, 450)
    assert 50 < seconds_until(entry.due_at) <= 61
    make_due(mail)
    assert due(ledger) == [mail.id]
    [mine] = claim(ledger, mail)
    assert (mine.envelope.recipients, mine.envelope.attempts) == (("b@example.test",), 1)
    assert not mine.envelope.resent


def test_a_failure_that_is_not_the_mails_charges_no_attempt(ledger):
    mail = envelope()
    ledger.finish(start(ledger, mail), settled(mail, a=OURS))
    assert (row(mail).state, row(mail).attempts) == (State.DEFERRED, 0)


def test_a_lost_answer_is_remembered(ledger):
    mail = envelope()
    ledger.finish(start(ledger, mail), settled(mail, a=LOST))
    make_due(mail)
    due(ledger)
    [mine] = claim(ledger, mail)
    assert mine.envelope.resent
    assert settled(mine.envelope, a=LOST).again is None


def test_who_dies_apart_gets_a_row_of_its_own(ledger):
    mail = envelope("a@example.test", "b@example.test", "c@example.test")
    dead = ledger.finish(start(ledger, mail), settled(mail, a=NEVER, b=LATER, c=NEVER))
    assert row(mail).state == State.DEFERRED
    letters = list(ledger.dead())
    assert {letter.origin for letter in letters} == {mail.id}
    assert {letter.id for letter in letters} == {each.envelope.id for each in dead}
    assert {letter.code for letter in letters} == {550}
    found = [unpack(letter.payload, keys_from_settings()).recipients for letter in letters]
    assert sorted(found) == [("a@example.test",), ("c@example.test",)]


def test_a_mail_that_dies_as_a_whole_stays_one_row_with_its_content(ledger):
    mail = envelope()
    [dead] = ledger.finish(start(ledger, mail), settled(mail, a=NEVER))
    entry = row(mail)
    assert (entry.state, entry.kind, entry.stage) == (State.DEAD, "permanent", "recipient")
    assert dead.envelope.id == mail.id
    assert unpack(entry.payload, keys_from_settings()).message == mail.message
    assert Entry.objects.count() == 1


def test_a_dead_letter_can_be_queued_anew(ledger):
    mail = envelope()
    ledger.finish(start(ledger, mail), settled(mail, a=NEVER))
    assert ledger.requeue([mail.id]) == 1
    assert ledger.requeue([mail.id]) == 0
    assert due(ledger) == [mail.id]
    [mine] = claim(ledger, mail)
    assert (mine.doomed, mine.envelope.attempts) == ("", 0)


def test_a_requeued_part_is_a_mail_like_any_other(ledger):
    mail = envelope("a@example.test", "b@example.test")
    [dead] = ledger.finish(start(ledger, mail), settled(mail, a=SENT, b=NEVER))
    assert ledger.requeue([dead.envelope.id]) == 1
    due(ledger)
    [mine] = claim(ledger, dead.envelope)
    assert mine.envelope.id == dead.envelope.id
    assert ledger.hand_over(mine)
    ledger.finish(mine, settled(mine.envelope, b=SENT))
    assert set(Entry.objects.values_list("state", flat=True)) == {State.SENT}


def test_who_lost_the_claim_has_no_say(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    make_due(mail)
    [other] = claim(ledger, mail)
    assert ledger.finish(mine, settled(mail, a=NEVER)) is None
    assert row(mail).state == State.SENDING
    assert ledger.finish(other, settled(mail, a=SENT)) is not None


def test_cancel_wins_before_a_target_has_it(ledger):
    waiting, claimed = later(envelope()), envelope()
    record(ledger, waiting, claimed)
    [mine] = claim(ledger, claimed)
    assert ledger.cancel(waiting.id)
    assert ledger.cancel(claimed.id)
    assert not ledger.hand_over(mine)
    assert {row(waiting).payload, row(claimed).payload} == {""}
    assert not ledger.cancel(waiting.id)


def test_cancel_is_too_late_when_a_target_has_it(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    assert not ledger.cancel(mail.id)
    make_due(mail)
    assert not ledger.cancel(mail.id), "it may have been sent"
    ledger.finish(mine, settled(mail, a=SENT))
    assert not ledger.cancel(mail.id)
    assert not ledger.cancel("unknown")


def test_cancel_or_hand_over_one_of_them_wins(ledger):
    def race(*calls):
        together = Barrier(len(calls))

        def run(call):
            together.wait()
            try:
                return call()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, calls))

    for _ in range(10):
        mail = envelope()
        record(ledger, mail)
        [mine] = claim(ledger, mail)
        wins = race(partial(ledger.cancel, mail.id), partial(ledger.hand_over, mine))
        assert sorted(wins) == [False, True]


def test_the_same_id_is_kept_once(ledger):
    mail = envelope()
    record(ledger, mail)
    record(ledger, mail, envelope())
    assert Entry.objects.count() == 2
    assert ledger.known([mail.id, "other"]) == {mail.id}


def test_a_rolled_back_transaction_keeps_nothing(ledger):
    with transaction.atomic(using=ledger.database):
        record(ledger, envelope())
        transaction.set_rollback(True, using=ledger.database)
    assert not Entry.objects.exists()


def test_envelopes_from_before_the_ledger_are_kept_from_now_on(ledger):
    now_, waits = envelope(attempts=2), later(envelope())
    [mine] = ledger.claim([now_, waits])
    assert mine.envelope == now_
    assert row(waits).state == State.DEFERRED
    assert ledger.claim([now_]) == []


def test_a_payload_nobody_can_read_is_dead_and_kept(ledger):
    mail = envelope()
    record(ledger, mail)
    Entry.objects.filter(pk=mail.id).update(payload="1.json.x:y")
    assert claim(ledger, mail) == []
    assert (row(mail).state, row(mail).payload) == (State.DEAD, "1.json.x:y")


def test_a_payload_moved_to_another_row_is_not_sent(ledger):
    mine, other = envelope(), envelope()
    record(ledger, mine, other)
    Entry.objects.filter(pk=mine.id).update(payload=row(other).payload)
    assert claim(ledger, mine) == []
    assert row(mine).state == State.DEAD


def test_what_may_kill_workers_is_published_alone(ledger):
    mails = [envelope(), envelope()]
    record(ledger, *mails)
    claim(ledger, mails[0])
    make_due(*mails)
    alone = {each.id: each.alone for each in ledger.due(["default"], limit=10)}
    assert alone == {mails[0].id: True, mails[1].id: False}


def test_purge_deletes_what_was_kept_long_enough_in_small_batches(ledger):
    old, young, dead = [envelope() for _ in range(5)], envelope(), envelope()
    for mail in (*old, young):
        ledger.finish(start(ledger, mail), settled(mail, a=SENT))
    ledger.finish(start(ledger, dead), settled(dead, a=NEVER))
    Entry.objects.filter(pk__in=[mail.id for mail in old]).update(purge_at=PAST)
    assert [ledger.purge(limit=3) for _ in range(3)] == [3, 2, 0]
    assert set(Entry.objects.values_list("pk", flat=True)) == {young.id, dead.id}


def test_big_mails_are_inserted_in_parts(ledger):
    mails = [envelope() for _ in range(3)]
    ledger.record([(mail, "x" * 6 * 2**20) for mail in mails])
    assert Entry.objects.count() == 3


def test_the_clock_is_the_databases(ledger, monkeypatch):
    """A worker's clock that is an hour wrong changes neither leases nor what is due."""
    mail = envelope()
    record(ledger, mail)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600)
    assert due(ledger) == []
    assert len(claim(ledger, mail)) == 1
    assert claim(ledger, mail) == []
    assert 880 < seconds_until_true(row(mail).due_at, true_time()) <= 901


def seconds_until_true(moment, present: float) -> float:
    return moment.timestamp() - present
