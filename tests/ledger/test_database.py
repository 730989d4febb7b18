"""What the ledger promises alone, on SQLite, PostgreSQL and MariaDB."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from threading import Barrier

import pytest
from django.db import DataError, IntegrityError, connections, transaction
from django.utils.timezone import now

from mailqueue.errors import LedgerError
from mailqueue.ledger import database
from mailqueue.ledger.about import read
from mailqueue.ledger.models import Entry, State
from mailqueue.ledger.opening import UNREADABLE_PAUSES
from mailqueue.ledger.taking import WINDOW_SIZE
from mailqueue.outcome.outcome import Kind
from mailqueue.wire.envelope import pack, unpack
from mailqueue.wire.signature import keys_from_settings
from tests.ledger.mails import (
    LATER,
    LOST,
    NEVER,
    OURS,
    PAST,
    SENT,
    envelope,
    finish,
    later,
    ledger_with,
    make_due,
    record,
    row,
    settled,
    start,
)


def seconds_until(moment) -> float:
    return (moment - now()).total_seconds()


def ids(claims) -> list[str]:
    return [claim.envelope.id for claim in claims]


def at_once(*calls):
    """Call all at the same moment, each in a thread of its own; return what they return."""
    together = Barrier(len(calls))

    def run(call):
        together.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


# Claims.


def test_a_claim_gives_the_envelope_that_was_queued(ledger):
    mail = envelope("a@example.test", attempts=2, expires_at=9e9)
    claim = start(ledger, mail)
    assert claim.envelope.queued_at == pytest.approx(mail.queued_at, abs=1)
    assert dataclasses.replace(claim.envelope, queued_at=mail.queued_at) == mail
    assert not claim.doomed


def test_what_is_due_first_is_claimed_first_and_no_more_than_asked_for(ledger):
    mails = [envelope() for _ in range(5)]
    record(ledger, *mails)
    for day, mail in enumerate(reversed(mails)):
        Entry.objects.filter(pk=mail.id).update(due_at=f"2001-01-0{day + 1}T00:00:00+00:00")
    assert ids(ledger.claim(limit=3)) == [mail.id for mail in mails[:1:-1]]
    assert ids(ledger.claim(limit=3)) == [mail.id for mail in mails[1::-1]]
    assert ledger.claim(limit=3) == []


def test_the_mail_of_another_mailer_is_its_own(ledger):
    record(ledger, envelope(mailer="other"))
    assert ledger.claim(limit=10) == []
    assert not ledger.is_due()
    assert ledger.strangers(["default"]) == ["other"]
    assert ledger.strangers(["default", "other"]) == []


def test_what_is_claimed_is_not_granted_again_before_its_lease_ends(ledger):
    mail = envelope()
    first = start(ledger, mail)
    assert ledger.claim(limit=10) == []
    assert 880 < seconds_until(row(mail).due_at) <= 901
    make_due(mail)
    [second] = ledger.claim(limit=10)
    assert second.fence != first.fence


def test_of_many_who_claim_at_once_one_gets_each(ledger):
    mails = [envelope() for _ in range(60)]
    record(ledger, *mails)

    def claim():
        found = []
        while claims := ledger.claim(limit=4):
            found += ids(claims)
        return found

    found = [each for part in at_once(*[claim] * 4) for each in part]
    assert len(found) == len(set(found))
    # SQLite cannot skip what another is just taking: a claim may come back empty there.
    found += claim()
    assert sorted(found) == sorted(mail.id for mail in mails)


def test_what_may_have_killed_its_worker_comes_alone(ledger):
    mails = [envelope() for _ in range(4)]
    record(ledger, *mails)
    killers = ids(ledger.claim(limit=2))
    make_due(*mails)
    Entry.objects.filter(pk__in=killers).update(due_at="2000-01-01T00:00:00+00:00")
    windows = []
    while claims := ledger.claim(limit=10):
        windows.append(ids(claims))
    assert sorted(map(len, windows)) == [1, 1, 2]
    assert sorted(each for found in windows if len(found) == 1 for each in found) == sorted(killers)


def test_a_window_is_bounded_in_bytes(ledger):
    mails = [envelope() for _ in range(5)]
    record(ledger, *mails)
    Entry.objects.update(size=WINDOW_SIZE // 2)
    assert len(ledger.claim(limit=10)) == 2
    Entry.objects.update(size=9 * WINDOW_SIZE)
    assert len(ledger.claim(limit=10)) == 1


def test_it_is_sent_again_once_after_a_crash_that_hides_whether_it_was_sent(ledger):
    mail = envelope()
    assert not start(ledger, mail).envelope.resent
    make_due(mail)
    [second] = ledger.claim(limit=1)
    assert second.envelope.resent
    assert not second.doomed
    make_due(mail)
    [third] = ledger.claim(limit=1)
    assert "may have arrived" in third.doomed


def test_a_mailer_that_holds_ambiguous_mail_holds_it_at_the_first_crash(ledger):
    mail = envelope()
    start(ledger, mail)
    make_due(mail)
    policy = dataclasses.replace(ledger.options.retry, ambiguous="hold")
    [claim] = ledger_with(retry=policy).claim(limit=1)
    assert "may have arrived" in claim.doomed


def test_a_crash_and_a_lost_answer_are_two(ledger):
    mail = envelope()
    start(ledger, mail)
    make_due(mail)
    [claim] = ledger.claim(limit=1)
    settlement = settled(claim.envelope, a=LOST)
    assert settlement.again is None
    assert settlement.dead[0].outcome.kind is Kind.AMBIGUOUS


def test_what_was_not_tried_is_given_back_at_once_and_charged_nothing(ledger):
    mails = [envelope() for _ in range(3)]
    record(ledger, *mails)
    claims = ledger.claim(limit=3)
    ledger.release(claims[:2], in_doubt=False)
    ledger.release(claims[2:], in_doubt=True)
    handed = dict(Entry.objects.values_list("pk", "handed"))
    assert [handed[claim.envelope.id] for claim in claims] == [0, 0, 1]
    assert ledger.is_due()
    assert set(Entry.objects.values_list("state", "attempts")) == {(State.QUEUED, 0)}


def test_who_lost_the_claim_cannot_give_it_back(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    make_due(mail)
    [other] = ledger.claim(limit=1)
    ledger.release([mine], in_doubt=False)
    assert row(mail).fence == other.fence
    assert row(mail).state == State.SENDING


def test_a_mail_whose_time_is_over_can_be_claimed_while_its_mailer_pauses(ledger):
    old, expired, young = envelope(), envelope(expires_at=time.time() - 1), envelope()
    record(ledger, old, expired, young)
    Entry.objects.filter(pk=old.id).update(give_up_at=PAST)
    assert sorted(ids(ledger.claim(limit=10, outlived=True))) == sorted([old.id, expired.id])
    assert ids(ledger.claim(limit=10)) == [young.id]


# Outcomes.


def test_sent_keeps_the_row_and_forgets_the_content(ledger):
    mail = envelope()
    assert finish(ledger, start(ledger, mail), settled(mail, a=SENT)) == ()
    entry = row(mail)
    assert (entry.state, entry.payload, entry.due_at) == (State.SENT, "", None)
    assert entry.finished_at is not None
    assert 6.9 * 86400 < seconds_until(entry.purge_at) <= 7 * 86400
    assert ledger.claim(limit=1) == []


def test_a_window_is_finished_as_one_with_different_outcomes(ledger):
    mails = [envelope() for _ in range(4)]
    record(ledger, *mails)
    claims = ledger.claim(limit=4)
    each = [{"a": SENT}, {"a": NEVER}, {"a": SENT}, {"a": LATER}]
    results = [
        (claim, settled(claim.envelope, **outcomes))
        for claim, outcomes in zip(claims, each, strict=True)
    ]
    told = ledger.finish(results)
    assert [len(dead) for dead in told] == [0, 1, 0, 0]
    states = dict(Entry.objects.values_list("pk", "state"))
    assert [states[claim.envelope.id] for claim in claims] == ["sent", "dead", "sent", "deferred"]


def test_the_finish_of_a_window_and_the_claim_of_the_next_are_one(ledger):
    first, second = envelope(), envelope()
    claim = start(ledger, first)
    record(ledger, second)

    def fails_after_both() -> None:
        with ledger.together():
            finish(ledger, claim, settled(first, a=SENT))
            assert len(ledger.claim(limit=1)) == 1
            raise IntegrityError

    with pytest.raises(LedgerError):
        fails_after_both()
    assert (row(first).state, row(second).state) == (State.SENDING, State.QUEUED)
    with ledger.together():
        finish(ledger, claim, settled(first, a=SENT))
        [next_] = ledger.claim(limit=1)
    assert next_.envelope.id == second.id
    assert (row(first).state, row(second).state) == (State.SENT, State.SENDING)


def test_a_retry_waits_in_the_table_for_those_who_are_left(ledger):
    mail = envelope("a@example.test", "b@example.test")
    finish(ledger, start(ledger, mail), settled(mail, a=SENT, b=LATER))
    entry = row(mail)
    assert (entry.state, entry.attempts, entry.code) == (State.DEFERRED, 1, 450)
    assert 50 < seconds_until(entry.due_at) <= 61
    make_due(mail)
    [mine] = ledger.claim(limit=1)
    assert (mine.envelope.recipients, mine.envelope.attempts) == (("b@example.test",), 1)
    assert not mine.envelope.resent


def test_a_failure_that_is_not_the_mails_charges_no_attempt(ledger):
    mail = envelope()
    finish(ledger, start(ledger, mail), settled(mail, a=OURS))
    assert (row(mail).state, row(mail).attempts, row(mail).handed) == (State.DEFERRED, 0, 0)


def test_a_lost_answer_is_remembered(ledger):
    mail = envelope()
    finish(ledger, start(ledger, mail), settled(mail, a=LOST))
    make_due(mail)
    [mine] = ledger.claim(limit=1)
    assert mine.envelope.resent
    assert settled(mine.envelope, a=LOST).again is None


def test_who_dies_apart_gets_a_row_of_its_own(ledger):
    mail = envelope("a@example.test", "b@example.test", "c@example.test")
    dead = finish(ledger, start(ledger, mail), settled(mail, a=NEVER, b=LATER, c=NEVER))
    assert row(mail).state == State.DEFERRED
    letters = list(ledger.dead())
    assert {letter.origin for letter in letters} == {mail.id}
    assert {letter.id for letter in letters} == {each.envelope.id for each in dead}
    assert {letter.code for letter in letters} == {550}
    found = [unpack(letter.payload, keys_from_settings()).recipients for letter in letters]
    assert sorted(found) == [("a@example.test",), ("c@example.test",)]


def test_a_mail_that_dies_as_a_whole_stays_one_row_with_its_content(ledger):
    mail = envelope()
    [dead] = finish(ledger, start(ledger, mail), settled(mail, a=NEVER))
    entry = row(mail)
    assert (entry.state, entry.kind, entry.stage) == (State.DEAD, "permanent", "recipient")
    assert dead.envelope.id == mail.id
    assert unpack(entry.payload, keys_from_settings()).message == mail.message
    assert Entry.objects.count() == 1


def test_who_lost_the_claim_has_no_say(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    make_due(mail)
    [other] = ledger.claim(limit=1)
    assert finish(ledger, mine, settled(mail, a=NEVER)) is None
    assert row(mail).state == State.SENDING
    assert finish(ledger, other, settled(mail, a=SENT)) is not None


def test_what_was_sent_in_the_end_is_sent_also_if_the_lease_had_ended(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    make_due(mail)
    [other] = ledger.claim(limit=1)
    finish(ledger, mine, settled(mail, a=SENT))
    assert row(mail).state == State.SENT
    assert finish(ledger, other, settled(mail, a=NEVER)) is None


# Dead letters, queued anew.


def test_a_dead_letter_can_be_queued_anew(ledger):
    mail = envelope()
    finish(ledger, start(ledger, mail), settled(mail, a=NEVER))
    assert ledger.requeue([mail.id]) == 1
    assert ledger.requeue([mail.id]) == 0
    [mine] = ledger.claim(limit=1)
    assert (mine.doomed, mine.envelope.attempts) == ("", 0)


def test_what_died_of_age_is_young_when_it_is_queued_anew(ledger):
    mail = envelope(queued_at=time.time() - 10 * 86400)
    record(ledger, mail)
    [old] = ledger.claim(limit=1, outlived=True)
    finish(ledger, old, settled(mail, a=NEVER))
    ledger.requeue([mail.id])
    [mine] = ledger.claim(limit=1)
    assert abs(mine.envelope.queued_at - time.time()) < 60


def test_a_requeued_part_is_a_mail_like_any_other(ledger):
    mail = envelope("a@example.test", "b@example.test")
    [dead] = finish(ledger, start(ledger, mail), settled(mail, a=SENT, b=NEVER))
    assert ledger.requeue([dead.envelope.id]) == 1
    [mine] = ledger.claim(limit=1)
    assert mine.envelope.id == dead.envelope.id
    finish(ledger, mine, settled(mine.envelope, b=SENT))
    assert set(Entry.objects.values_list("state", flat=True)) == {State.SENT}


# Cancelling.


def test_cancel_wins_before_a_target_has_it(ledger):
    waiting, queued = later(envelope()), envelope()
    record(ledger, waiting, queued)
    assert ledger.cancel(waiting.id)
    assert ledger.cancel(queued.id)
    assert ledger.claim(limit=10) == []
    assert {row(waiting).payload, row(queued).payload} == {""}
    assert not ledger.cancel(waiting.id)


def test_cancel_is_too_late_when_a_worker_has_it(ledger):
    mail = envelope()
    mine = start(ledger, mail)
    assert not ledger.cancel(mail.id)
    make_due(mail)
    assert not ledger.cancel(mail.id), "it may have been sent"
    finish(ledger, mine, settled(mail, a=SENT))
    assert not ledger.cancel(mail.id)
    assert not ledger.cancel("unknown")


def test_cancel_or_claim_one_of_them_wins(ledger):
    for _ in range(10):
        mail = envelope()
        record(ledger, mail)
        cancelled, claims = at_once(partial(ledger.cancel, mail.id), lambda: ledger.claim(limit=1))
        assert cancelled != bool(claims)
        Entry.objects.all().delete()


# The sender's side.


def test_send_at_waits_in_the_table(ledger):
    mail = later(envelope())
    record(ledger, mail)
    assert row(mail).state == State.DEFERRED
    assert row(mail).due_at.timestamp() == pytest.approx(mail.due_at, abs=1)
    assert ledger.claim(limit=1) == []
    make_due(mail)
    [mine] = ledger.claim(limit=1)
    assert mine.envelope.due_at is None


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


def test_all_are_kept_or_none(ledger, monkeypatch):
    """Big mails are inserted in parts; the second part fails."""
    keys = keys_from_settings()
    mails = [(each, pack(each, keys)) for each in (envelope(), envelope())]
    parts = iter([None, IntegrityError()])

    def failing(execute, sql, *rest):
        if sql.startswith("INSERT") and (error := next(parts)):
            raise error
        return execute(sql, *rest)

    monkeypatch.setattr("mailqueue.ledger.inserting.INSERT_SIZE", 1)
    with connections[ledger.database].execute_wrapper(failing), pytest.raises(IntegrityError):
        ledger.record(mails)
    assert not Entry.objects.exists()


def test_big_mails_are_inserted_in_parts(ledger):
    mails = [envelope() for _ in range(3)]
    ledger.record([(mail, "x" * 6 * 2**20) for mail in mails])
    assert Entry.objects.count() == 3


def test_rows_are_the_same_whether_mails_come_alone_or_together(ledger):
    """However many there are, and whatever their texts hold."""
    odd = "\u2028\x7fé\U0001f600'\"\\%s%%{}\t"
    kinds = {"due_at": time.time() + 60.25, "attempts": 3, "expires_at": None, "resent": True}
    mails = [envelope(f'"{odd[:6]}" <to{number}@example.test>', **kinds) for number in range(160)]
    for mail in mails:
        mail.message["subject"] = odd
    for mail in mails[:80]:
        record(ledger, mail)
    record(ledger, *mails[80:], mails[0])  # the last one is known
    alone, together = ([row(mail) for mail in half] for half in (mails[:80], mails[80:]))
    for one, other in zip(alone, together, strict=True):
        for field in Entry._meta.concrete_fields:
            mine, others = (getattr(each, field.attname) for each in (one, other))
            if field.attname in {"queued_at", "give_up_at", "due_at"}:
                assert abs((mine - others).total_seconds()) < 60
            elif field.attname not in {"id", "payload", "size", "recipient", "about"}:
                assert mine == others, field
        assert len(one.recipient) == len(other.recipient) > 0
        assert read(one.about, keys_from_settings()).subject == odd
        assert read(other.about, keys_from_settings()).subject == odd
    assert ids(ledger.claim(limit=200)) == []


def test_what_is_too_long_for_its_column_is_refused_in_a_list_as_well(ledger):
    long = [envelope(mailer="m" * 101), envelope(mailer="m" * 101)]
    bound = connections[ledger.database].vendor == "postgresql"  # others have none, or cut off
    for mails in (long[:1], long):
        with pytest.raises(DataError) if bound else nullcontext():
            record(ledger, *mails)
    assert Entry.objects.exists() != bound


# What cannot be opened.


@pytest.mark.parametrize("spoil", ["1.json.x:y", "other"])
def test_a_payload_that_cannot_be_opened_here_waits_for_a_worker_that_can(ledger, caplog, spoil):
    mail, other = envelope(), envelope()
    record(ledger, mail, other)
    payload = row(other).payload if spoil == "other" else spoil
    Entry.objects.filter(pk=mail.id).update(payload=payload)
    assert ids(ledger.claim(limit=10)) == [other.id]
    entry = row(mail)
    assert (entry.state, entry.payload, entry.handed) == (State.QUEUED, payload, 0)
    assert 0 < seconds_until(entry.due_at) <= UNREADABLE_PAUSES[0] + 1
    Entry.objects.filter(pk=mail.id).update(queued_at=PAST, due_at=PAST)
    assert ledger.claim(limit=10) == []
    longest = UNREADABLE_PAUSES[1]
    assert longest - 20 < seconds_until(row(mail).due_at) <= longest + 1
    assert f"Mail {mail.id} of mailer 'default' cannot be opened by this worker" in caplog.text


def test_a_claim_tells_of_what_it_found_and_could_not_open(ledger):
    mail = envelope()
    record(ledger, mail)
    Entry.objects.update(payload="1.json.x:y")
    claims = ledger.claim(limit=10)
    assert (claims, claims.found) == ([], 1)
    assert ledger.claim(limit=10).found == 0


def test_a_lease_is_over_for_its_worker_before_it_is_for_others(ledger, monkeypatch):
    """A worker that is stopped in the midst of a claim has lost it when it goes on."""
    record(ledger, envelope())
    before = time.monotonic()
    original = database.take

    def slow(*args, **kwargs):
        time.sleep(0.2)
        return original(*args, **kwargs)

    monkeypatch.setattr(database, "take", slow)
    [claim] = ledger.claim(limit=1)
    assert before < claim.until - ledger.options.lease < before + 0.2


def test_a_database_without_autocommit_is_refused(table):
    """What a worker notes there would be undone, and each mail sent again for ever."""
    settings = connections[table].settings_dict
    settings["AUTOCOMMIT"] = False
    try:
        with pytest.raises(ValueError, match="AUTOCOMMIT"):
            ledger_with()
    finally:
        settings["AUTOCOMMIT"] = True


def test_a_mail_of_another_key_is_delivered_when_the_key_is_mended(ledger, settings):
    mail = envelope()
    record(ledger, mail)
    with_key = settings.SECRET_KEY
    settings.SECRET_KEY = "another"
    assert ledger.claim(limit=1) == []
    settings.SECRET_KEY = with_key
    make_due(mail)
    assert ids(ledger.claim(limit=1)) == [mail.id]


# Looking after the table.


def test_purge_deletes_what_was_kept_long_enough_in_small_batches(ledger):
    old, young, dead = [envelope() for _ in range(5)], envelope(), envelope()
    for mail in (*old, young):
        finish(ledger, start(ledger, mail), settled(mail, a=SENT))
    finish(ledger, start(ledger, dead), settled(dead, a=NEVER))
    Entry.objects.filter(pk__in=[mail.id for mail in old]).update(purge_at=PAST)
    assert [ledger.purge(limit=3) for _ in range(3)] == [3, 2, 0]
    assert set(Entry.objects.values_list("pk", flat=True)) == {young.id, dead.id}


def test_the_clock_is_the_databases(ledger, monkeypatch):
    """A worker's clock that is an hour wrong changes neither leases nor what is due."""
    mail, waits = envelope(), later(envelope())
    record(ledger, mail, waits)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 7200)
    assert ids(ledger.claim(limit=10)) == [mail.id]
    assert ledger.claim(limit=10) == []
    assert 880 < row(mail).due_at.timestamp() - true_time() <= 901


def test_a_claim_of_which_the_answer_was_lost_can_be_given_back(ledger):
    mail, other = envelope(), envelope()
    record(ledger, mail)
    assert ledger.claim(limit=1, fence="f" * 32)
    record(ledger, other)
    assert ledger.claim(limit=1)
    ledger.disown("f" * 32)
    assert (row(mail).state, row(mail).handed) == (State.QUEUED, 0)
    assert row(other).state == State.SENDING


@pytest.mark.parametrize("outcome", [LATER, NEVER])
def test_an_outcome_that_is_noted_twice_is_told_as_once(ledger, outcome):
    """The answer to the first time may have been lost."""
    mail = envelope()
    claim = start(ledger, mail)
    told = finish(ledger, claim, settled(mail, a=outcome))
    assert told is not None
    assert finish(ledger, claim, settled(mail, a=outcome)) == told
