"""A task whose mails were not all sent says so in one line, and Celery's own word says how many."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue import tasks
from mailqueue.broker.publish import publish
from mailqueue.delivery.deliver import breakers
from mailqueue.delivery.tally import Tally
from mailqueue.demo.sink import Sink
from mailqueue.ledger.models import Entry
from mailqueue.log import BORN_OF_A_LOG, floods
from mailqueue.mail import mailers
from mailqueue.opaque import Opaque
from mailqueue.testing import queue_in_memory

LINE = re.compile(r"Mails of task mailqueue\.deliver\[.*\]: (.*)\.")
Deliver = Callable[..., list[str]]


@pytest.fixture(params=[None, "database"], ids=["broker alone", "ledger"])
def deliver(
    request: Any, transactional_db: None, sink: Sink, monkeypatch: Any
) -> Iterator[Deliver]:
    """Queue mails to these, do the tasks that come of it; return what each has returned."""
    monkeypatch.setattr("mailqueue.delivery.work.TURN", 60.0)  # all in one
    options = {"using": "smtp", "ledger": request.param, "retry": {"schedule": [300]}}
    smtp = {"host": "127.0.0.1", "port": sink.port, "timeout": 5}
    entries = {
        "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options},
        "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp},
    }
    returned: list[str] = []
    run = tasks.deliver

    def noting(argument: Opaque[str]) -> None:
        returned.append(run(argument))

    monkeypatch.setattr(tasks, "deliver", noting)

    def sent_to(*names: str) -> list[str]:
        messages = [EmailMessage("s", "b", "me@x.test", name.split()) for name in names]
        mailers.default.send_messages(messages)
        worker()
        return [each for each in returned if each]

    floods.flush()
    with override_settings(MAILERS=entries), queue_in_memory() as worker:
        yield sent_to
    Entry.objects.all().delete()
    floods.flush()
    breakers.clear()


def tallies(caplog: Any, level: int = logging.WARNING) -> list[str]:
    found = [LINE.fullmatch(each.getMessage()) for each in caplog.records if each.levelno == level]
    return [each[1] for each in found if each]


def test_what_was_not_sent_is_one_line_of_a_task(deliver: Deliver, sink: Sink, caplog: Any) -> None:
    sink.answer("RCPT", "451 4.7.1 later", to="b@secret.test")
    sink.answer("RCPT", "550 5.1.1 unknown", to="c@secret.test")
    names = [f"{name}@secret.test" for name in "abcdefg"]
    assert deliver(*names) == ["5 sent, 1 deferred, 1 dead"]
    assert tallies(caplog) == ["5 sent, 1 deferred, 1 dead"]
    assert "secret" not in caplog.text


def test_what_was_sent_is_what_celery_says(deliver: Deliver, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "mailqueue")
    assert deliver("a@x.test", "b@x.test") == ["2 sent"]
    assert [tallies(caplog, level) for level in (logging.INFO, logging.WARNING)] == [[], []]


def test_of_a_single_mail_its_own_line_is_enough(deliver: Deliver, sink: Sink, caplog: Any) -> None:
    """Also when its recipients fared differently."""
    sink.answer("RCPT", "451 4.7.1 later", to="b@x.test")
    sink.answer("RCPT", "550 5.1.1 unknown", to="c@x.test")
    assert deliver("a@x.test b@x.test c@x.test") == ["1 sent, 1 deferred, 1 dead"]
    assert tallies(caplog) == []


@pytest.mark.parametrize("deliver", [None], indirect=True)
def test_what_cannot_be_read_counts(deliver: Deliver, caplog: Any) -> None:
    publish(["1.json.x:y", "1.json.y:z"], queue="mailqueue")
    assert deliver() == ["2 dead"]
    assert tallies(caplog) == ["2 dead"]


def test_mail_that_tells_of_a_line_begets_no_other(caplog: Any) -> None:
    from mailqueue import signals
    from mailqueue.delivery.tally import tallied

    with tallied("task") as tally:
        for number in range(3):
            who = {"mailer": "default", "id": f"{BORN_OF_A_LOG}{number}"}
            signals.tell_dead(**who, origin=who["id"], reason="gone")
    assert str(tally) == str(Tally()) == ""
    assert caplog.records == []
