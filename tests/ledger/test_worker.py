"""From send() to the SMTP server and into the ledger, with a worker's work done in the test."""

import json
import logging
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from celery import Celery
from celery.exceptions import Reject
from django.db import OperationalError, connections, transaction
from django.utils.timezone import now

from mailqueue import signals, tasks
from mailqueue.broker.publish import publisher_of
from mailqueue.control import cancel
from mailqueue.delivery.connections import connections as targets
from mailqueue.demo.sink import KEEP_AND_DROP, Stall
from mailqueue.errors import EncodeError
from mailqueue.ledger.cache import CacheLedger
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.interface import asking
from mailqueue.ledger.models import Entry, State
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.relay import relay
from mailqueue.scheduling import id_of, queue_options
from tests.ledger.projects import message

PAST = "2001-01-01T00:00:00+00:00"


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


def make_due() -> None:
    Entry.objects.exclude(due_at=None).update(due_at=PAST)


# Every ledger.


def test_what_is_queued_is_delivered_once_however_often_it_comes(kept_project):
    kept_project.send(*(message(f"{n}@example.test") for n in range(3)))
    [batch] = kept_project.take()
    for _ in range(3):
        tasks.deliver(batch)
    assert set(kept_project.sink.copies().values()) == {1}
    assert len(kept_project.sink.mails) == 3


def test_two_workers_with_the_same_batch_at_once_send_one_copy(kept_project):
    stall = Stall()
    kept_project.sink.answer("DATA", stall)
    kept_project.send()
    [batch] = kept_project.take()

    def work() -> None:
        try:
            tasks.deliver(batch)
        finally:
            targets.close()
            connections.close_all()

    first = Thread(target=work)
    first.start()
    assert stall.reached.wait(30)
    tasks.deliver(batch)
    stall.release()
    first.join()
    assert len(kept_project.sink.mails) == 1


def test_only_those_refused_for_now_get_it_again(kept_project):
    kept_project.sink.answer("RCPT", "451 4.7.1 greylisted", to="a@example.test")
    both = message("a@example.test")
    both.to.append("b@example.test")
    with kept_project.using(retry={"schedule": [0.001], "jitter": 0}):
        kept_project.send(both)
        first = kept_project.take()
        tasks.deliver(first[0])
        if kept_project.options["ledger"] == "database":
            make_due()
            relay()
        [again] = kept_project.take()
        tasks.deliver(again)
        tasks.deliver(first[0])
    assert kept_project.sink.copies() == {"a@example.test": 1, "b@example.test": 1}


def test_an_idempotency_key_sends_once(kept_project):
    for _ in range(2):
        assert kept_project.send(queue_options(message(), idempotency_key="order 7")) == 1
    kept_project.work()
    assert len(kept_project.sink.mails) == 1


def test_an_idempotency_key_needs_a_ledger(kept_project):
    with kept_project.using(ledger=None), pytest.raises(EncodeError, match="ledger"):
        kept_project.send(queue_options(message(), idempotency_key="order 7"))


def test_with_a_ledger_a_batch_is_a_hundred(kept_project):
    assert mailers.default.lane.options.batch_size == 100
    with kept_project.using(ledger=None):
        assert mailers.default.lane.options.batch_size == 10


# The database ledger.


def test_a_commit_keeps_mails_and_a_rollback_does_not(project):
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


def test_what_travels_holds_no_content(project):
    project.send(message("secret-address@example.test"))
    [batch] = project.take()
    assert "1.ref." in batch
    assert len(batch) < 300


def test_a_broker_that_is_away_is_no_error_and_the_relay_publishes_later(
    project, celery_app, heard, caplog
):
    away = Celery("away", broker="redis://127.0.0.1:1/0")
    away.set_current()
    assert project.send() == 1
    publisher_of(away).close()
    celery_app.set_current()
    [(name, facts)] = heard
    assert (name, facts["published"]) == ("queued", False)
    assert facts["id"] in caplog.text
    assert relay() == 1
    assert project.work() == 1
    assert states() == [State.SENT]


def test_what_the_broker_lost_is_published_again(project):
    project.send(*(message(f"{n}@example.test") for n in range(5)))
    project.take()
    assert relay() == 0
    make_due()
    assert relay() == 5
    project.work()
    assert states() == [State.SENT] * 5
    assert set(project.sink.copies().values()) == {1}


def test_a_mail_that_kills_its_workers_takes_no_other_along(project):
    project.send(*(message(f"{n}@example.test") for n in range(3)))
    Entry.objects.filter(pk=Entry.objects.first().pk).update(claims=1)
    make_due()
    project.take()
    relay()
    assert sorted(len(json.loads(batch)) for batch in project.take()) == [1, 2]


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


def test_send_at_waits_however_long(project):
    project.send(queue_options(message(), send_at=now() + timedelta(days=400)))
    assert (states(), project.take()) == ([State.DEFERRED], [])
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


def test_cancel_by_idempotency_key(project, heard):
    project.send(queue_options(message(), idempotency_key="order 7"))
    assert cancel(id_of("order 7"))
    assert not cancel(id_of("order 7"))
    project.work()
    assert project.sink.mails == []
    assert [name for name, _ in heard] == ["queued", "cancelled"]


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


@pytest.mark.parametrize("before", [None, "cache", "database"])
@pytest.mark.parametrize("after", [None, "database"])
def test_the_level_can_change_with_mails_in_flight(project, before, after, redis_url, settings):
    backend = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
    settings.CACHES = {"default": backend}
    project.sink.answer("RCPT", "451 4.7.1 later", to="b@example.test")
    quick = {"schedule": [0.001], "jitter": 0}
    with project.using(ledger=before, retry=quick):
        project.send(message("a@example.test"), message("b@example.test"))
        [batch] = project.take()
    with project.using(ledger=after, retry=quick):
        tasks.deliver(batch)
        make_due()
        relay()
        for again in project.take():
            tasks.deliver(again)
        if before or after:
            tasks.deliver(batch)
    wanted = {"a@example.test": 1, "b@example.test": 1}
    if before == "cache" and after is None:
        wanted = {"a@example.test": 2, "b@example.test": 2}  # nobody looks at the marks any more
    assert project.sink.copies() == wanted


def fails_once(monkeypatch, ledger, name):
    """Let a method of the ledger fail as it does when its store is away, the first time."""
    method = getattr(ledger, name)
    answers = iter([OperationalError("away")])

    @asking(OperationalError)
    def failing(*args):
        for error in answers:
            raise error
        return method(*args)

    monkeypatch.setattr(ledger, name, failing)


def class_of(project):
    return DatabaseLedger if project.options["ledger"] == "database" else CacheLedger


@pytest.mark.parametrize("step", ["claim", "hand_over"])
def test_a_ledger_that_is_away_gives_the_batch_back_and_sends_nothing(
    kept_project, monkeypatch, step
):
    monkeypatch.setattr(tasks, "LEDGER_PAUSE", 0)
    fails_once(monkeypatch, class_of(kept_project), step)
    kept_project.send()
    [batch] = kept_project.take()
    with pytest.raises(Reject) as raised:
        tasks.deliver(batch)
    assert raised.value.requeue
    assert kept_project.sink.mails == []


def test_a_mark_that_fails_is_made_again(kept_project, monkeypatch):
    fails_once(monkeypatch, class_of(kept_project), "finish")
    kept_project.send()
    [batch] = kept_project.take()
    tasks.deliver(batch)
    tasks.deliver(batch)
    assert len(kept_project.sink.mails) == 1


def test_the_database_level_needs_its_app(settings):
    from tests.ledger.projects import mailers_for

    settings.INSTALLED_APPS = ["mailqueue"]
    settings.MAILERS = mailers_for(1, ledger="database")
    with pytest.raises(InvalidMailer, match="in INSTALLED_APPS"):
        _ = mailers.default
