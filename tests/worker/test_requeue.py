"""`manage.py mailqueue requeue`: dead letters are queued anew, and none is lost on the way."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.test import override_settings

from mailqueue import tasks
from mailqueue.delivery.process import ask_for_key
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.ledger.models import Entry
from mailqueue.mail import mailers
from tests.worker.project import dead, next_task, project_settings, queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(celery_of_project: Any, queue: str, sink: Any, unclaimed: Any) -> Iterator[str]:
    with project_settings(queue, sink.port):
        yield queue


def send(*to: str) -> None:
    messages = [EmailMessage("s", "b", "me@x.test", [name]) for name in to]
    mailers.default.send_messages(messages)


def requeue(**options: Any) -> str:
    out = StringIO()
    call_command("mailqueue", "requeue", stdout=out, **options)
    return out.getvalue().strip()


def test_mail_of_a_key_that_was_wrong_is_queued_whole_when_it_is_mended(
    project, sink, unclaimed, caplog
):
    ask_for_key.cache_clear()
    send("a@x.test", "b@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        tasks.deliver(batch)
        assert caplog.text.count("Is SECRET_KEY the sender's?") == 1
        assert requeue() == "0 dead letters queued anew"
    assert len(unclaimed()) == 2
    assert requeue() == "2 dead letters queued anew"
    assert unclaimed() == []
    while task := next_task(project):
        [[argument], _, _] = json.loads(task.body) if task.body else task.payload
        tasks.deliver(argument)
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


def test_what_nobody_can_open_stays(project, unclaimed):
    tasks.deliver(json.dumps(["garbage"]))
    assert requeue(everything=True) == "0 dead letters queued anew"
    assert [letter.content for letter in unclaimed()] == ["garbage"]


def test_what_died_for_another_reason_is_queued_anew_if_all_are(project, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="a@x.test")
    send("a@x.test")
    tasks.deliver(queued(project))
    assert requeue() == "0 dead letters queued anew"
    assert len(dead(project)) == 1
    assert requeue(everything=True) == "1 dead letters queued anew"
    tasks.deliver(queued(project))
    assert sink.copies() == {"a@x.test": 1}


def test_a_batch_that_a_defect_of_ours_stopped_is_queued_whole(
    project, sink, unclaimed, monkeypatch
):
    send("a@x.test", "b@x.test")
    batch = queued(project)
    with monkeypatch.context() as broken:
        broken.setattr(tasks, "process", lambda *args, **kwargs: 1 / 0)
        tasks.deliver(batch)
    assert requeue(everything=True) == "1 dead letters queued anew"
    for _ in range(2):
        tasks.deliver(queued(project))
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


def test_none_is_lost_when_the_broker_goes_away_meanwhile(project, sink, unclaimed, monkeypatch):
    send("a@x.test", "b@x.test", "c@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        tasks.deliver(batch)
    publish = Lane.publish
    times = iter([True])

    def fails(self: Lane, *args: Any, **kwargs: Any) -> None:
        if not next(times, None):
            raise PublishError("The broker did not take it.")
        publish(self, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(Lane, "publish", fails)
        with pytest.raises(CommandError, match="stay where they are"):
            requeue()
    assert len(unclaimed()) == 2
    assert requeue() == "2 dead letters queued anew"


def test_dead_letters_of_the_ledger(celery_of_project, queue, sink):
    with project_settings(queue, sink.port, ledger="database"):
        sink.answer("RCPT", "550 5.1.1 no such mailbox", times=2)
        send("a@x.test", "b@x.test", "c@x.test")
        tasks.deliver(queued(queue))
        assert Entry.objects.filter(state="dead").count() == 2
        assert requeue(everything=True) == "2 dead letters queued anew"
        tasks.deliver(queued(queue))
        assert set(Entry.objects.values_list("state", flat=True)) == {"sent"}
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1, "c@x.test": 1}


def test_a_text_of_many_things_is_one_dead_letter(project, unclaimed):
    for many in ([0] * 100_000, ["x"] * 100_000):
        tasks.deliver(json.dumps(many))
    assert len(unclaimed()) == 2
