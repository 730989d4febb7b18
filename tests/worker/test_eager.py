"""Celery's eager mode: one attempt in the caller, no broker, and no wait."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery._state import _task_stack
from celery.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue import signals
from mailqueue.broker.eager import is_eager
from mailqueue.broker.message import TASK
from mailqueue.broker.publish import Publisher, publisher_of
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers
from mailqueue.errors import PublishError
from mailqueue.mail import mailers
from mailqueue.scheduling import queue_options
from tests.worker.project import project_settings

QUEUE = "eager"


@pytest.fixture(params=["no broker", "broker away"])
def eager(request, monkeypatch):
    """The app of a project that runs its tasks eagerly; nothing here may reach a broker."""
    broker = {"broker away": "redis://127.0.0.1:1/0"}.get(request.param)
    app = Celery("project", broker=broker)
    app.conf.task_always_eager = True
    app.set_current()

    def publish(*args, **kwargs):
        raise AssertionError("published")

    monkeypatch.setattr(Publisher, "send", publish)
    yield app
    publisher_of.cache_clear()
    app.close()
    connections.close()
    breakers.clear()


@pytest.fixture
def told():
    seen = []

    def note(**facts):
        seen.append(facts["reason"])

    signals.dead.connect(note)
    yield seen
    signals.dead.disconnect(note)


def mail(to: str) -> EmailMessage:
    return EmailMessage("s", "b", "me@x.test", [to])


def send(*messages: EmailMessage) -> int:
    return mailers.default.send_messages(list(messages))


def test_what_a_worker_does_with_mail_is_never_eager(eager):
    """A worker may have the settings of development; what it publishes again must be kept."""
    app = eager
    assert is_eager(app)
    task = app.tasks[TASK]
    _task_stack.push(task)
    task.push_request(called_directly=False)
    try:
        assert not is_eager(app)
    finally:
        task.pop_request()
        _task_stack.pop()


def test_mail_is_delivered_in_the_caller(eager, sink):
    with project_settings(QUEUE, sink.port):
        assert send(mail("a@x.test"), mail("b@x.test")) == 2
    assert sorted(one.recipients for one in sink.mails) == [("a@x.test",), ("b@x.test",)]


def test_what_would_be_tried_again_is_an_error_to_the_caller(eager, sink):
    sink.answer("RCPT", "450 4.2.0 later", to="a@x.test")
    with (
        project_settings(QUEUE, sink.port, ledger=None),
        pytest.raises(PublishError, match=r"1 of 2 failed for now") as raised,
    ):
        send(mail("a@x.test"), mail("b@x.test"))
    assert [one.recipients for one in sink.mails] == [("b@x.test",)]
    assert "@x.test" not in str(raised.value)


def test_a_relay_that_is_away_is_an_error_to_the_caller(eager):
    with project_settings(QUEUE, 1), pytest.raises(PublishError, match="failed for now"):
        send(mail("a@x.test"))


def test_the_end_of_the_callers_time_is_told_to_the_caller(eager, sink, told, monkeypatch):
    """It made a dead letter, which nobody keeps here."""

    def over(*args, **kwargs):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("mailqueue.delivery.process.announce", over)
    with project_settings(QUEUE, sink.port), pytest.raises(SoftTimeLimitExceeded):
        send(mail("a@x.test"))
    assert told == []


def test_mail_for_later_has_no_queue_to_wait_in(eager, sink):
    later = datetime.now(UTC) + timedelta(hours=1)
    message = mail("a@x.test")
    queue_options(message, send_at=later)
    with project_settings(QUEUE, sink.port), pytest.raises(PublishError, match="send_at"):
        send(message)
    assert sink.mails == []


def test_a_dead_letter_is_told_and_kept_by_nobody(eager, sink, told, caplog):
    sink.answer("RCPT", "550 5.1.1 no such mailbox")
    caplog.set_level(logging.WARNING, "mailqueue")
    with project_settings(QUEUE, sink.port):
        assert send(mail("a@x.test")) == 1
    assert len(told) == 1
    assert "dead letter" in caplog.text
    assert "a@x.test" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_what_the_ledger_keeps_stays_there(eager):
    from mailqueue.ledger.models import Entry

    with project_settings(QUEUE, 1, ledger="database"):
        assert send(mail("a@x.test")) == 1
        assert list(Entry.objects.values_list("state", "attempts")) == [("deferred", 0)]


def test_a_project_without_an_app_can_be_eager_too(monkeypatch, sink):
    from celery import _state

    from mailqueue.broker.app import app_at_startup, mail_app

    monkeypatch.setattr(_state._tls, "current_app", None)
    monkeypatch.setattr(_state, "default_app", None)
    for cached in (mail_app, app_at_startup):
        cached.cache_clear()
    try:
        with (
            override_settings(CELERY_TASK_ALWAYS_EAGER=True),
            project_settings(QUEUE, sink.port),
        ):
            assert send(mail("a@x.test")) == 1
    finally:
        for cached in (mail_app, app_at_startup):
            cached.cache_clear()
        connections.close()
    assert len(sink.mails) == 1
