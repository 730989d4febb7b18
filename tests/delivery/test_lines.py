"""Whoever asks why a mail did not arrive reads it in one line, or in the facts of one signal."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import override_settings

from mailqueue import signals
from mailqueue.delivery import process, work
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers
from mailqueue.delivery.deliver import deliver as given
from mailqueue.demo.sink import Sink
from mailqueue.errors import EncodeError, PublishError
from mailqueue.ledger.models import Entry
from mailqueue.log import BORN_OF_A_LOG, FEW, floods
from mailqueue.mail import mailers
from mailqueue.testing import queue_in_memory
from tests import canaries
from tests.delivery.watch import Watch
from tests.procnodes import free_port

JO, ANN, BO = "jo@secret.test", "ann@secret.test", "bo@secret.test"
OWN = "<order-7@shop.test>"


@pytest.fixture(params=[None, "database"], ids=["broker alone", "ledger"])
def ledger(request: Any, transactional_db: None) -> Any:
    return request.param


@pytest.fixture
def told(caplog: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """Collect the facts of the last signal of each name, and the lines."""
    caplog.set_level(logging.INFO, "mailqueue")
    facts_of: dict[str, dict[str, Any]] = {}
    receivers = []
    for name in ("queued", "attempted", "sent", "deferred", "dead", "paused"):

        def note(signal: Any, sender: Any, name: str = name, **facts: Any) -> None:
            facts_of[name] = facts

        getattr(signals, name).connect(note)
        receivers.append((name, note))
    floods.flush()
    yield facts_of
    for name, note in receivers:
        getattr(signals, name).disconnect(note)
    floods.flush()
    breakers.clear()
    connections.close()


@pytest.fixture
def deliver(ledger: Any) -> Iterator[Callable[..., None]]:
    """Queue messages, and deliver each once through the server on this port."""

    def run(port: int, *messages: EmailMessage) -> None:
        retry = {"schedule": [300], "jitter": 0}
        options = {"using": "smtp", "ledger": ledger, "retry": retry}
        options["extra_attributes"] = ["metadata"]
        smtp = {"host": "127.0.0.1", "port": port, "timeout": 5}
        entries = {
            "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options},
            "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp},
        }
        with override_settings(MAILERS=entries), queue_in_memory() as worker:
            mailers.default.send_messages(list(messages))
            worker()
            while ledger and worker():  # a turn is short
                pass

    yield run
    Entry.objects.all().delete()


def message(*to: str) -> EmailMessage:
    return EmailMessage("s", "b", "me@x.test", list(to), headers={"Message-ID": OWN})


def lines(caplog: Any) -> list[tuple[str, str]]:
    """Return level and text of each line; the id of the mail is ID, and times are N."""
    ours = [record for record in caplog.records if record.name == "mailqueue"]
    texts = [(record.levelname, record.getMessage()) for record in ours]
    return [
        (level, re.sub(r"\b[0-9a-f]{32}\b", "ID", re.sub(r"\d+ s\b", "N s", text)))
        for level, text in texts
    ]


def test_recipients_that_fare_differently(deliver, sink: Sink, told, caplog) -> None:
    sink.answer("RCPT", "451 4.7.1 <ann@secret.test> greylisted, come back", to=ANN)
    sink.answer("RCPT", "550 5.1.1 <bo@secret.test> unknown", to=BO)
    sink.answer("DOT", "250 2.0.0 Ok: queued as 4XyZ1")
    mail = message(JO, ANN, BO)
    deliver(sink.port, mail)

    who = {"mailer": "default", "id": mail.mailqueue_id, "message_id": OWN}  # type: ignore[attr-defined]
    gone = {"kind": "permanent", "stage": "recipient", "code": 550, "enhanced": "5.1.1"}
    later = {"kind": "transient", "stage": "recipient", "code": 451, "enhanced": "4.7.1"}
    refused = gone | {"reason": "no such mailbox (permanent)"}
    put_off = later | {"reason": "refused by policy (transient)"}
    assert told["queued"] == who | {"message": mail}
    took, age = told["attempted"].pop("seconds"), told["sent"].pop("age")
    assert 0 <= took <= age < 60
    assert abs(told["attempted"].pop("began_at") + took - time.time()) < 60
    untold = {"queue_id": None, "traceparent": None}
    assert told["attempted"] == who | {"attempts": 1} | later | untold
    assert told["sent"] == who | {"attempts": 1, "queue_id": "4XyZ1"}
    assert 290 < told["deferred"].pop("delay") <= 300
    assert told["deferred"] == who | {"attempts": 1} | put_off
    assert told["dead"].pop("id")
    assert told["dead"] == {
        "mailer": "default",
        "message_id": OWN,
        "origin": who["id"],
        "attempts": 1,
        **refused,
    }
    begins = "Mail ID of mailer 'default'"
    assert sorted(lines(caplog)) == [
        ("INFO", f"{begins}: sent (attempt 1, queued there as 4XyZ1). Message-ID {OWN}."),
        (
            "WARNING",
            f"{begins}: dead letter (attempt 1): 550 5.1.1 no such mailbox (permanent)."
            f" Message-ID {OWN}.",
        ),
        (
            "WARNING",
            f"{begins}: deferred (attempt 1, next in N s): 451 4.7.1 refused by policy"
            f" (transient). Message-ID {OWN}.",
        ),
    ]
    assert "secret" not in caplog.text


def test_an_address_is_no_name_of_a_mail(deliver, sink: Sink, told, caplog) -> None:
    sink.answer("DOT", f"250 2.0.0 Ok {JO}")
    deliver(sink.port, message(f"Jo <{JO}>"))
    assert told["sent"]["queue_id"] is None
    assert "secret" not in caplog.text


def test_a_mailer_that_pauses(ledger, deliver, told, caplog) -> None:
    port = free_port()
    deliver(port, message(JO))
    deliver(port, message(ANN))
    [pause] = [text for level, text in lines(caplog) if level == "ERROR"]
    assert pause == (
        "Mailer 'smtp' pauses for N s: connection failed (transient)."
        f" Met by mail ID of mailer 'default'. Message-ID {OWN}."
    )
    assert told["paused"]["using"] == "smtp"
    assert told["paused"]["reason"] == "connection failed (transient)"
    assert told["paused"]["delay"] == pytest.approx(30, abs=1)
    [first, *second] = [text for level, text in lines(caplog) if level == "WARNING"]
    cause = "Mail ID of mailer 'default': deferred (next in N s): "
    assert first == f"{cause}connection failed (transient). Message-ID {OWN}."
    # In the ledger it is left alone.
    assert second == ([] if ledger else [f"{cause}its mailer pauses. Message-ID {OWN}."])
    if not ledger:
        assert told["deferred"]["reason"] == "its mailer pauses"


def test_a_list_that_is_put_off_is_a_few_lines_and_a_count(deliver, sink, told, caplog) -> None:
    sink.answer("RCPT", "450 4.2.1 busy", times=99)
    deliver(sink.port, *(message(f"{number}@secret.test") for number in range(30)))
    floods.flush()
    warned = [text for level, text in lines(caplog) if level == "WARNING"]
    texts = [text for text in warned if not text.startswith("Mails of task")]
    assert len(texts) == FEW + 1
    assert texts[-1] == (
        "20 more mails of mailer 'default': deferred, 20 of them: mailbox disabled (transient)."
    )
    assert 1 <= len(warned) - len(texts) <= 3  # and one for each task, of up to ten or a turn


def test_mail_that_tells_of_a_line_is_not_told_of(told, caplog) -> None:
    born = f"{BORN_OF_A_LOG}7"
    who = {"mailer": "default", "id": born, "message_id": OWN, "attempts": 1}
    outcome = {"kind": "transient", "stage": "recipient", "code": 451, "enhanced": None}
    signals.tell(signals.sent, **who, queue_id=None, age=1.0)
    signals.tell(signals.deferred, **who, delay=7.0, reason="busy", **outcome)
    signals.tell_dead(**who, origin=born, reason="gone")
    assert caplog.records == []


@pytest.fixture
def watch() -> Iterator[Watch]:
    handler = Watch()
    logger = logging.getLogger("mailqueue")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize("reply", ["451 4.7.1 later", "550 5.1.1 unknown", "250 ok"])
def test_no_function_above_a_line_shows_mail(deliver, sink, told, watch: Watch, reply) -> None:
    sink.answer("RCPT", reply, to=canaries.RECIPIENT)
    deliver(sink.port, canaries.message(), message(JO))
    assert "announce" in watch.functions
    assert [each for each in watch.seen if canaries.found(each)] == []


def test_no_function_above_a_pause_shows_mail(deliver, told, watch: Watch) -> None:
    deliver(free_port(), canaries.message(), message(JO))
    assert "tell_pause" in watch.functions
    assert [each for each in watch.seen if canaries.found(each)] == []


def test_no_function_above_a_defect_shows_mail(
    ledger, deliver, sink, told, watch: Watch, monkeypatch, caplog
) -> None:
    def broken(envelopes: Any, lane: Any, **options: Any) -> Iterator[Any]:
        yield next(given(envelopes, lane, **options))
        raise ValueError(canaries.RECIPIENT)

    for module in (process, work):
        monkeypatch.setattr(module, "deliver", broken)
    deliver(sink.port, canaries.message(), canaries.message())
    line = "A window failed" if ledger else "A batch became a dead letter"
    assert f"{line}: " in caplog.text
    assert "ValueError (broken:" in caplog.text
    assert [each for each in watch.seen if canaries.found(each)] == []
    assert canaries.found(caplog.text) == set()


def refuse(*args: Any, **kwargs: Any) -> None:
    raise PublishError("away")


class TestTheIdOnAMessage:
    def test_all_ways_of_sending(self, ledger, deliver, sink, told) -> None:
        several = [message(JO), message(ANN)]
        deliver(sink.port, *several)
        ids = [each.mailqueue_id for each in several]  # type: ignore[attr-defined]
        assert len({*ids}) == 2
        assert told["queued"]["message"] is several[1]
        assert told["queued"]["id"] == ids[1]
        assert len(sink.mails) == 2
        assert all(b"mailqueue_id" not in mail.content for mail in sink.mails)

    def test_an_object_that_is_sent_twice_has_the_last(self, deliver, sink, told) -> None:
        mail = message(JO)
        deliver(sink.port, mail, mail)
        assert mail.mailqueue_id == told["queued"]["id"]  # type: ignore[attr-defined]

    def test_it_is_there_when_receivers_hear_of_it(self, deliver, sink, told) -> None:
        seen = []

        def note(message: Any, id: str, **facts: Any) -> None:  # noqa: A002
            seen.append((message.mailqueue_id, id))

        signals.queued.connect(note)
        try:
            deliver(sink.port, message(JO))
        finally:
            signals.queued.disconnect(note)
        [(known, told_id)] = seen
        assert known == told_id

    def test_it_is_accepted_before_the_commit(self, deliver, sink, told) -> None:
        mail = message(JO)
        with transaction.atomic():
            deliver(sink.port, mail)
            assert "queued" not in told
            assert mail.mailqueue_id  # type: ignore[attr-defined]
            transaction.set_rollback(True)

    def test_what_is_not_accepted_has_none(self, deliver, sink, told, monkeypatch) -> None:
        first, second = message(JO), message(ANN)
        second.metadata = object()  # type: ignore[attr-defined]
        with pytest.raises(EncodeError):
            deliver(sink.port, first, second)
        monkeypatch.setattr("mailqueue.enqueue.accept.keep", refuse)
        monkeypatch.setattr("mailqueue.lanes.publish", refuse)
        with pytest.raises(PublishError):
            deliver(sink.port, first)
        assert not hasattr(first, "mailqueue_id")

    def test_a_message_for_nobody_has_none(self, deliver, sink, told) -> None:
        mail = message()
        deliver(sink.port, mail, message(JO))
        assert not hasattr(mail, "mailqueue_id")
