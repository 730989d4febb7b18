"""A mail that takes for ever to make is a dead letter with a reason; the mail beside it goes."""

from datetime import UTC, datetime

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue import compat, watch
from mailqueue.codec import encode
from mailqueue.delivery import deliver as room
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.enqueue import freeze
from mailqueue.errors import EncodeError
from mailqueue.lanes import lane_of
from mailqueue.mail import mailers
from mailqueue.outcome.outcome import Kind
from mailqueue.smtp import rendering
from mailqueue.wire.envelope import Envelope
from tests.smtp.scripted import Server

GOOD = ["good@example.test"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(watch, "TICK", 0.01)
    monkeypatch.setattr(rendering, "RENDERING", 0.3)
    monkeypatch.setattr(room, "RENDERING", 0.3)


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def lane(server):
    smtp = {"host": "127.0.0.1", "port": server.port, "timeout": 10}
    queue = {"using": "smtp", "ledger": None}
    with override_settings(
        MAILERS={
            "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": queue},
            "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp},
        }
    ):
        yield lane_of("default")
        connections.close()
        breakers.clear()


def envelope(message, number):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    data = encode(message, date=now, message_id=f"<{number}@a.test>", charset="utf-8")
    return Envelope(id=str(number), mailer="default", queued_at=now.timestamp(), message=data)


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 renders in linear time")
def test_the_bomb_dies_and_the_others_go(lane, server):
    # The caller refuses such a subject; here is one that came in all the same.
    bomb = EmailMessage("é" * 100_000, "B", "f@a.test", ["t@a.test"])
    mails = [
        EmailMessage("S", "B", "f@a.test", GOOD),
        bomb,
        EmailMessage("S", "B", "f@a.test", GOOD),
    ]
    envelopes = [envelope(message, number) for number, message in enumerate(mails)]
    settlements = {each.envelope.id: each for each in deliver(envelopes, lane)}
    assert [mail.recipients for mail in server.taken] == [(GOOD[0],)] * 2
    assert settlements["0"].dead == settlements["2"].dead == ()
    [dead] = settlements["1"].dead
    assert dead.outcome.kind is Kind.PERMANENT
    assert dead.reason == "message takes too long to make (permanent)"


def test_a_message_that_takes_too_long_to_be_rebuilt(lane, server, monkeypatch):
    def hang(*args, **kwargs):
        while True:
            pass

    monkeypatch.setattr(room, "decode", hang)
    [settlement] = deliver([envelope(EmailMessage("S", "B", "f@a.test", GOOD), 1)], lane)
    [dead] = settlement.dead
    assert dead.reason == "message takes too long to make"
    assert server.taken == []


def test_a_message_that_takes_too_long_in_the_caller_is_an_error_there(lane, monkeypatch):
    class Slow(EmailMessage):
        def message(self, *args, **kwargs):
            while True:
                pass

    monkeypatch.setattr(freeze, "RENDERING", 0.1)
    with pytest.raises(EncodeError, match="takes too long"):
        mailers["default"].send_messages([Slow("S", "B", "f@a.test", GOOD)])
