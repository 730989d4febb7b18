"""From send() to the SMTP server and into the ledger, with a worker's work done in the test."""

import base64
import logging
import smtplib
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.test import override_settings
from django.utils.timezone import now

from mailqueue import signals
from mailqueue.broker import ringer
from mailqueue.broker.bell import SOME, forget
from mailqueue.broker.message import ring_of
from mailqueue.broker.publish import publish, publisher_of
from mailqueue.control import cancel
from mailqueue.delivery import deliver as deliver_module
from mailqueue.delivery import work as work_module
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.deliver import breakers
from mailqueue.delivery.work import work
from mailqueue.demo.sink import KEEP_AND_DROP, Stall
from mailqueue.errors import EncodeError, LedgerError
from mailqueue.lanes import Lane
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry, State
from mailqueue.log import tell_stranger
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.relay import relay
from mailqueue.scheduling import id_of, queue_options
from mailqueue.wire.signature import keys_from_settings
from tests.ledger.mails import PAST, make_due
from tests.ledger.projects import Project, in_thread, message
from tests.procnodes import free_port
from tests.project_app import project_app, run_task
from tests.wire.hostile import BAD


@pytest.fixture
def heard():
    """Collect the signals of a test, as (name, facts)."""
    told = []
    names = ("queued", "sent", "deferred", "dead", "cancelled")
    receivers = {
        name: lambda name=name, **facts: told.append((name, facts)) or None for name in names
    }
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield told
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def states() -> list[str]:
    return sorted(Entry.objects.values_list("state", flat=True))


def test_what_is_queued_is_delivered_once_however_often_the_bell_rings(project):
    project.send(*(message(f"{n}@example.test") for n in range(3)))
    [ring] = project.take()
    for _ in range(3):
        run_task(ring)
    assert set(project.sink.copies().values()) == {1}
    assert len(project.sink.mails) == 3
    assert states() == [State.SENT] * 3


def test_what_travels_names_no_mail(project):
    project.send(message("secret-address@example.test"))
    assert project.take() == [f'{{"ring": "{project.queue}"}}']


def test_a_list_is_one_ring_and_many_windows(project):
    project.send(*(message(f"{n}@example.test") for n in range(35)))
    [ring] = project.take()
    run_task(ring)
    more = project.take()
    assert more, "a full window rings for one more worker"
    for again in more:
        run_task(again)
    project.work()
    assert states() == [State.SENT] * 35
    assert len({mail.connection for mail in project.sink.mails}) == 1
    assert set(project.sink.copies().values()) == {1}


def test_a_turn_ends_after_its_window_when_the_worker_stops(project):
    project.send(*(message(f"{n}@example.test") for n in range(25)))
    assert work(project.queue, stopping=lambda: True)
    assert states() == [State.QUEUED] * 15 + [State.SENT] * 10


def test_nothing_is_left_to_say_when_nothing_is_due(project):
    assert not work(project.queue)
    assert not work("a queue of nobody")
    project.send(queue_options(message(), send_at=now() + timedelta(hours=1)))
    assert project.take() == []
    assert not work(project.queue)


def test_lanes_of_one_queue_take_turns(project):
    two = project.mailers(batch_size=5)
    two["urgent"] = two["default"]
    with override_settings(MAILERS=two):
        project.send(*(message(f"list{n}@example.test") for n in range(40)))
        mailers["urgent"].send_messages([message("urgent@example.test")])
        project.work()
    order = [mail.recipients[0] for mail in project.sink.mails]
    assert order.index("urgent@example.test") <= 5
    assert len(order) == 41


def test_two_workers_at_once_send_one_copy(project):
    stall = Stall()
    project.sink.answer("DATA", stall)
    project.send()
    [ring] = project.take()
    first = in_thread(ring)
    assert stall.reached.wait(30)
    run_task(ring)
    stall.release()
    first.join()
    assert len(project.sink.mails) == 1


def test_only_those_refused_for_now_get_it_again(project):
    project.sink.answer("RCPT", "451 4.7.1 greylisted", to="a@example.test")
    both = message("a@example.test")
    both.to.append("b@example.test")
    project.send(both)
    project.work()
    make_due()
    assert relay() == [project.queue]
    project.work()
    assert project.sink.copies() == {"a@example.test": 1, "b@example.test": 1}


def test_an_idempotency_key_sends_once(project):
    for _ in range(2):
        assert project.send(queue_options(message(), idempotency_key="order 7")) == 1
    project.work()
    assert len(project.sink.mails) == 1


def test_an_idempotency_key_needs_a_ledger(project):
    with project.using(ledger=None), pytest.raises(EncodeError, match="ledger"):
        project.send(queue_options(message(), idempotency_key="order 7"))


def test_the_ledger_is_the_level_of_whoever_has_it(project):
    assert isinstance(mailers.default.lane.ledger, DatabaseLedger)
    with project.using(ledger=None):
        assert mailers.default.lane.ledger is None


def test_a_commit_keeps_mails_and_a_rollback_does_not(project, monkeypatch):
    monkeypatch.setattr(work_module, "TURN", 60.0)  # else a slow machine needs a second task
    alias = project_database()
    with transaction.atomic(using=alias):
        project.send()
        assert project.take() == []
        transaction.set_rollback(True, using=alias)
    assert (states(), project.take()) == ([], [])
    with transaction.atomic(using=alias):
        project.send()
    assert (states(), project.work()) == ([State.QUEUED], 1)
    assert states() == [State.SENT]


def project_database() -> str:
    return Entry.objects.db


def test_a_broker_that_is_away_is_no_error_and_is_told_once(project, celery_app, heard, caplog):
    away = Celery("away", broker="redis://127.0.0.1:1/0")
    away.set_current()
    for _ in range(3):
        assert project.send() == 1
    ringer.flush()
    publisher_of(away).close()
    celery_app.set_current()
    assert [name for name, _ in heard] == ["queued"] * 3
    assert caplog.text.count("Kept mail waits for a worker's timer") == 1
    forget()
    assert relay() == [project.queue]
    project.work()
    assert states() == [State.SENT] * 3


def test_a_ring_that_was_lost_is_rung_again_at_once(project):
    project.send(*(message(f"{n}@example.test") for n in range(5)))
    project.take()
    assert relay() == [project.queue]
    project.work()
    assert states() == [State.SENT] * 5
    assert set(project.sink.copies().values()) == {1}
    assert relay() == []


def test_retries_wait_in_the_table(project):
    project.sink.answer("RCPT", "451 4.7.1 greylisted")
    project.send()
    project.work()
    assert (states(), project.take()) == ([State.DEFERRED], [])
    make_due()
    relay()
    project.work()
    assert states() == [State.SENT]


def test_dead_letters_are_in_the_table(project):
    project.sink.answer("RCPT", "550 5.1.1 unknown", to="a@example.test")
    project.send()
    project.work()
    [entry] = Entry.objects.all()
    assert (entry.state, entry.code, entry.enhanced) == (State.DEAD, 550, "5.1.1")


def test_a_lost_answer_is_sent_again_once(project):
    project.sink.answer("DOT", KEEP_AND_DROP, times=5)
    project.send()
    for _ in range(4):
        project.work()
        make_due()
        relay()
    assert len(project.sink.mails) == 2
    [entry] = Entry.objects.all()
    assert (entry.state, entry.kind) == (State.DEAD, "ambiguous")


def test_send_at_waits_however_long_and_is_not_old_then(project):
    project.send(queue_options(message(), send_at=now() + timedelta(days=400)))
    assert (states(), project.take()) == ([State.DEFERRED], [])
    [entry] = Entry.objects.all()
    assert entry.give_up_at > now() + timedelta(days=402)
    make_due()
    relay()
    project.work()
    assert len(project.sink.mails) == 1


def test_what_has_expired_is_not_sent(project):
    project.send(queue_options(message(), expires=datetime(2020, 1, 1, tzinfo=UTC)))
    project.work()
    [entry] = Entry.objects.all()
    assert (entry.state, entry.reason) == (State.DEAD, "expired")
    assert project.sink.mails == []


def test_a_relay_that_is_down_pauses_the_lane_and_charges_no_mail(project, caplog):
    with project.using(batch_size=5), override_settings(MAILERS=nobody_listens(project)):
        project.send(*(message(f"{n}@example.test") for n in range(12)))
        project.work()
        assert set(Entry.objects.values_list("attempts", "handed")) == {(0, 0)}
        assert caplog.text.count("Mailer 'smtp' pauses") == 1
        # What was not claimed when the pause began is still due; what was waits for its end.
        assert states() == [State.DEFERRED] * 5 + [State.QUEUED] * 7
        make_due()
        project.work()
        relay()
        project.work()
    assert set(Entry.objects.values_list("attempts", "handed")) == {(0, 0)}
    breakers.clear()
    make_due()
    relay()
    project.work()
    assert len(project.sink.mails) == 12


def nobody_listens(project):
    port = free_port()
    found = project.mailers(batch_size=5)
    found["smtp"]["OPTIONS"]["port"] = port
    return found


def test_mail_that_only_waits_for_a_paused_mailer_grows_too_old(project):
    breakers["smtp"] = Breaker(failures=3, paused_until=now().timestamp() + 600)
    project.send(message("young@example.test"))
    project.work()
    assert states() == [State.QUEUED]
    with project.using(retry={"max_age": 0.001}):
        project.send(*(message(f"{n}@example.test") for n in range(3)))
        Entry.objects.filter(give_up_at__lt=now() + timedelta(days=1)).update(give_up_at=PAST)
        project.work()
    assert states() == [State.DEAD] * 3 + [State.QUEUED]
    dead = Entry.objects.filter(state=State.DEAD)
    assert set(dead.values_list("reason", flat=True)) == {"too old: it waited for its mailer"}


def test_cancel_by_idempotency_key(project, heard):
    project.send(queue_options(message(), idempotency_key="order 7"))
    assert cancel(id_of("order 7"))
    assert not cancel(id_of("order 7"))
    project.work()
    assert project.sink.mails == []
    assert [name for name, _ in heard] == ["queued", "cancelled"]


def test_a_cancel_that_is_rolled_back_is_not_told(project, heard):
    project.send(queue_options(message(), idempotency_key="order 7"))
    with transaction.atomic(using=project_database()):
        assert cancel(id_of("order 7"))
        transaction.set_rollback(True, using=project_database())
    assert [name for name, _ in heard] == ["queued"]
    project.work()
    assert len(project.sink.mails) == 1


def test_signals_tell_ids_and_codes_and_never_content(project, heard, caplog):
    caplog.set_level(logging.DEBUG, "mailqueue")
    project.sink.answer(
        "RCPT", "550 5.1.1 <secret-b@example.test> unknown", to="secret-b@example.test"
    )
    project.sink.answer("RCPT", "451 4.7.1 later", to="secret-c@example.test")
    three = message("secret-a@example.test")
    three.cc, three.bcc = ["secret-b@example.test"], ["secret-c@example.test"]
    project.send(three)
    project.work()
    told = dict(heard)
    assert list(told) == ["queued", "sent", "deferred", "dead"]
    mail = told["queued"]["id"]
    assert (told["sent"]["id"], told["deferred"]["id"], told["dead"]["origin"]) == (mail,) * 3
    assert (told["deferred"]["code"], told["dead"]["code"]) == (451, 550)
    assert Entry.objects.get(pk=told["dead"]["id"]).state == State.DEAD
    assert "secret" not in repr(heard) + caplog.text


def test_a_receiver_that_raises_changes_nothing(project):
    def broken(**facts: object) -> None:
        raise RuntimeError("no")

    for signal in (signals.queued, signals.sent):
        signal.connect(broken)
    try:
        project.send()
        project.work()
    finally:
        for signal in (signals.queued, signals.sent):
            signal.disconnect(broken)
    assert states() == [State.SENT]


def test_what_fails_after_the_commit_is_not_told_the_caller(project, monkeypatch, caplog):
    """The mail is kept; an error would make the caller send it again."""

    def broken(self: Lane) -> bool:
        raise KeyError("No such transport")

    ran = []
    monkeypatch.setattr(Lane, "ring", broken)
    with transaction.atomic(using=project_database()):
        assert project.send() == 1
        transaction.on_commit(lambda: ran.append(True), using=project_database())
    assert (ran, states()) == ([True], [State.QUEUED])


@pytest.mark.parametrize("before", [None, "database"])
@pytest.mark.parametrize("after", [None, "database"])
def test_the_level_can_change_with_mails_in_flight(project, before, after):
    project.sink.answer("RCPT", "451 4.7.1 later", to="b@example.test")
    quick = {"schedule": [0.001], "jitter": 0}
    with project.using(ledger=before, retry=quick):
        project.send(message("a@example.test"), message("b@example.test"))
        first = project.take()
    with project.using(ledger=after, retry=quick):
        for argument in first:
            run_task(argument)
        project.work()
        make_due()
        relay()
        project.work()
    assert project.sink.copies() == {"a@example.test": 1, "b@example.test": 1}


def test_references_of_the_first_ledger_are_rings(project):
    project.send()
    project.take()
    run_task('["1.ref.eyJpZCI6ICJ4In0=:signature", "1.ref.other"]')
    project.work()
    assert states() == [State.SENT]


@pytest.mark.parametrize("statement", ["claim", "finish"])
def test_a_database_that_is_away_for_a_moment_doubles_nothing(project, monkeypatch, statement):
    method = getattr(DatabaseLedger, statement)
    answers = iter([LedgerError("OperationalError")] * 2)

    def failing(self, *args, **kwargs):
        for error in answers:
            raise error
        return method(self, *args, **kwargs)

    monkeypatch.setattr(DatabaseLedger, statement, failing)
    monkeypatch.setattr("mailqueue.delivery.claiming.PAUSES", (0.0,))
    project.send()
    for _ in range(4):
        project.work()
        relay()
    assert states() == [State.SENT]
    assert len(project.sink.mails) == 1


def test_a_worker_that_is_ended_gives_back_what_it_has_in_hand(project, monkeypatch):
    """By a soft shutdown, or `SystemExit`; a lease would be a quarter of an hour."""

    def ended(lane, messages, **kwargs):
        raise SystemExit

    monkeypatch.setattr("mailqueue.delivery.deliver.attempt", ended)
    project.send(message(), message("b@example.test"))
    [ring] = project.take()
    with pytest.raises(SystemExit):
        run_task(ring)
    assert states() == [State.QUEUED] * 2
    assert mailers.default.lane.ledger.is_due()


class Ends(BaseEmailBackend):
    """Ends its process with the second message."""

    sent = 0

    def send_messages(self, email_messages):
        type(self).sent += 1
        if self.sent == 2:
            raise SystemExit
        return 1


def test_what_a_worker_that_is_ended_had_not_begun_is_in_nobodys_doubt(project, monkeypatch):
    Ends.sent = 0
    ends = project.mailers()
    ends["smtp"] = {"BACKEND": f"{__name__}.Ends"}
    with override_settings(MAILERS=ends):
        project.send(*(message(f"{n}@example.test") for n in range(5)))
        [ring] = project.take()
        with pytest.raises(SystemExit):
            run_task(ring)
    assert sorted(Entry.objects.values_list("state", "handed")) == [
        *[(State.QUEUED, 0)] * 3,
        (State.QUEUED, 1),
        (State.SENT, 0),
    ]


def test_one_mail_that_cannot_be_rebuilt_takes_no_other_along(project, monkeypatch):
    def rebuild(envelope, *args):
        if envelope.id == victim:
            raise MemoryError
        return original(envelope, *args)

    original = deliver_module.rebuild
    monkeypatch.setattr(deliver_module, "rebuild", rebuild)
    project.send(message(), message("b@example.test"))
    victim = Entry.objects.order_by("pk").first().pk
    project.work()
    assert states() == [State.DEAD, State.SENT]
    assert Entry.objects.get(pk=victim).reason == "undecodable: MemoryError"


def test_what_is_hostile_though_signed_keeps_no_other_from_it(project):
    """What cannot be unpacked waits for a worker that can, and what is no message is dead."""
    bodies = list(BAD.values())[::10]
    project.send(*(message(f"{n}@example.test") for n in range(len(bodies) + 5)))
    rows = list(Entry.objects.order_by("due_at").values_list("pk", flat=True))
    for pk, body in zip(rows, bodies, strict=False):
        data = base64.b64encode(body.replace(b"0" * 32, pk.encode(), 1)).decode()
        payload = keys_from_settings().sign(f"1.json.{data}")
        Entry.objects.filter(pk=pk).update(payload=payload, size=len(payload))
    project.work()
    assert len(project.sink.mails) == 5
    found = Counter(Entry.objects.values_list("state", flat=True))
    assert found[State.SENT] == 5
    assert found[State.QUEUED] > 5
    assert found[State.DEAD] > 5
    assert found.total() == len(rows)


def test_mails_that_this_worker_cannot_open_keep_no_other_from_it(project):
    project.send(*(message(f"{n}@example.test") for n in range(45)))
    bad = list(Entry.objects.order_by("due_at").values_list("pk", flat=True)[:35])
    Entry.objects.filter(pk__in=bad).update(payload="1.json.x:y")
    project.work()
    assert len(project.sink.mails) == 10
    assert states() == [State.QUEUED] * 35 + [State.SENT] * 10


def test_a_defect_in_the_next_claim_does_not_undo_what_was_sent(project, monkeypatch):
    claim = DatabaseLedger.claim
    claims = iter([None])

    def broken(self, **kwargs):
        if next(claims, "broken") == "broken":
            raise RuntimeError
        return claim(self, **kwargs)

    project.send()
    [ring] = project.take()
    monkeypatch.setattr(DatabaseLedger, "claim", broken)
    run_task(ring)
    assert states() == [State.SENT]


def test_mail_of_a_mailer_that_is_gone_is_told(project, caplog):
    project.send()
    Entry.objects.update(mailer="gone")
    tell_stranger.cache_clear()
    for _ in range(2):
        assert relay() == []
    assert caplog.text.count("Mail of mailer 'gone' waits") == 1


def test_mail_of_a_mailer_that_comes_back_is_delivered(project):
    both = project.mailers()
    both["gone"] = both["default"]
    with override_settings(MAILERS=both):
        mailers["gone"].send_messages([message()])
    project.work()
    assert (states(), project.sink.mails) == ([State.QUEUED], [])
    with override_settings(MAILERS=both):
        assert relay() == [project.queue]
        project.work()
    assert states() == [State.SENT]


def test_rings_need_no_particular_broker(table, queue, broker_url, sink):
    with project_app(broker_url), Project(sink, queue, batch_size=2) as project:
        project.send(*(message(f"{n}@example.test") for n in range(5)))
        assert relay() == [queue]
        for _ in range(100):  # a quorum queue gives a message a moment after it took it
            project.work()
            if len(sink.mails) == 5:
                break
            time.sleep(0.05)
    assert states() == [State.SENT] * 5
    assert set(sink.copies().values()) == {1}


def test_the_ledger_needs_its_app(settings):
    from tests.ledger.projects import mailers_for

    settings.INSTALLED_APPS = ["mailqueue"]
    settings.MAILERS = mailers_for(1, ledger="database")
    with pytest.raises(InvalidMailer, match="in INSTALLED_APPS"):
        _ = mailers.default


class Nonsense(BaseEmailBackend):
    """A target whose server answers with what is no SMTP."""

    def __init__(self, **options: Any) -> None:
        super().__init__()

    def send_messages(self, messages):
        raise smtplib.SMTPDataError(-1, b"\0")


def test_an_odd_outcome_is_noted_like_any_other(project):
    """What the table would refuse would be tried for a whole lease, and the window sent again."""
    setting = project.mailers(lease=2)
    setting["smtp"] = {"BACKEND": f"{__name__}.Nonsense"}
    with override_settings(MAILERS=setting):
        project.send(message(), message("b@example.test"))
        project.work()
    assert states() == [State.DEFERRED] * 2


def test_a_lane_whose_windows_take_a_whole_turn_does_not_keep_the_others_waiting(
    project, monkeypatch
):
    """As a list does behind a relay that takes its time."""
    monkeypatch.setattr("mailqueue.delivery.work.TURN", 0.0)
    two = project.mailers(batch_size=5)
    two["urgent"] = two["default"]
    with override_settings(MAILERS=two):
        project.send(*(message(f"list{n}@example.test") for n in range(40)))
        mailers["urgent"].send_messages([message("urgent@example.test")])
        for _ in range(2):
            work(project.queue)
    assert "urgent@example.test" in project.sink.copies()


def test_many_mails_that_cannot_be_opened_keep_no_other_waiting(project):
    project.send(*(message(f"{n}@example.test") for n in range(35)))
    Entry.objects.update(payload="1.json.x:y")
    project.send()
    project.take()
    assert relay() == [project.queue]
    project.work()
    assert project.sink.copies() == {"a@example.test": 1}


def test_a_long_list_does_not_fill_the_broker_with_rings(project, monkeypatch):
    monkeypatch.setattr("mailqueue.delivery.work.TURN", 0.0)
    with project.using(batch_size=2):
        project.send(*(message(f"{n}@example.test") for n in range(200)))
        [ring] = project.take()
        for _ in range(60):
            run_task(ring)
        for _ in range(60):
            relay()
    assert len(project.take()) <= SOME + 60  # a turn that is over rings for the next, one for one


def test_mail_of_the_broker_on_the_same_queue_does_not_keep_the_timer_from_ringing(project):
    project.send()
    project.take()
    for _ in range(SOME):
        publish(["1.json.x:y"], queue=project.queue)
    forget()
    assert relay() == [project.queue]
    assert relay() == []


def test_what_ends_a_worker_while_it_notes_outcomes_does_not_undo_them(project, monkeypatch):
    """The mails are sent; what is not noted would be sent again."""
    original = DatabaseLedger.claim
    answers = iter([original, None])

    def claim(self, **kwargs):
        if answer := next(answers):
            return answer(self, **kwargs)
        raise SystemExit

    monkeypatch.setattr(DatabaseLedger, "claim", claim)
    project.send()
    [ring] = project.take()
    with pytest.raises(SystemExit):
        run_task(ring)
    assert states() == [State.SENT]


@pytest.mark.parametrize("number", [5, 15])
def test_claims_of_which_the_answer_was_lost_do_not_wait_for_a_lease(project, monkeypatch, number):
    """Committed, and the connection breaks: what nobody has in hand is in nobody's doubt."""
    original = DatabaseLedger.together
    lost = []

    @contextmanager
    def together(self):
        with original(self):
            yield
        if not lost:
            lost.append(True)
            raise LedgerError("OperationalError")

    monkeypatch.setattr(DatabaseLedger, "together", together)
    monkeypatch.setattr("mailqueue.delivery.claiming.PAUSES", (0.0,))
    monkeypatch.setattr(work_module, "TURN", 60.0)  # else a slow machine claims no second window
    project.send(*(message(f"{n}@example.test") for n in range(number)))
    for _ in range(3):
        project.work()
        relay()
    assert lost
    assert states() == [State.SENT] * number
    assert set(project.sink.copies().values()) == {1}


def test_what_was_claimed_as_the_database_went_away_is_given_back_when_it_comes_back(
    project, monkeypatch
):
    claim, disown = DatabaseLedger.claim, DatabaseLedger.disown
    away = [True]

    def claim_unheard(self, **kwargs):
        claims = claim(self, **kwargs)
        if away:
            raise LedgerError("OperationalError")
        return claims

    def disown_if_it_answers(self, fence):
        if away:
            raise LedgerError("OperationalError")
        disown(self, fence)

    monkeypatch.setattr(DatabaseLedger, "claim", claim_unheard)
    monkeypatch.setattr(DatabaseLedger, "disown", disown_if_it_answers)
    project.send()
    project.work()
    assert states() == [State.SENDING]
    away.clear()
    run_task(ring_of(project.queue))
    assert states() == [State.SENT]
    assert project.sink.copies() == {"a@example.test": 1}


def test_a_worker_that_ends_while_it_rests_notes_what_it_sent(project, monkeypatch):
    def end(seconds: float) -> None:
        raise SystemExit

    project.send()
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=end)
    monkeypatch.setattr(work_module, "time", clock)
    monkeypatch.setattr(work_module, "TURN", 60.0)  # else a slow machine does not rest
    with pytest.raises(SystemExit):
        work(project.queue)
    assert states() == [State.SENT]


def test_a_worker_rests_only_when_no_lane_has_many_mails(project, monkeypatch):
    """A list is not slowed down for a lane with few."""
    rests: list[int] = []
    monkeypatch.setattr("mailqueue.delivery.work.rest", lambda done: rests.append(len(done[1])))
    monkeypatch.setattr("mailqueue.delivery.work.TURN", 60.0)
    two = project.mailers(batch_size=5)
    two["urgent"] = two["default"]
    with override_settings(MAILERS=two):
        project.send(*(message(f"list{n}@example.test") for n in range(11)))
        mailers["urgent"].send_messages([message("urgent@example.test")])
        work(project.queue)
    assert len(project.sink.mails) == 12
    assert rests == [1]
