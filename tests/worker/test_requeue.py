"""`manage.py mailqueue requeue`: dead letters are queued anew, and none is lost on the way."""

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

from mailqueue.delivery.process import ask_for_key
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.ledger.models import Entry
from mailqueue.ledger.wanted import Wanted
from mailqueue.mail import mailers
from mailqueue.management import selecting
from mailqueue.operating.listing import listing
from mailqueue.operating.requeue import requeue as requeue_parts
from mailqueue.tasks import run
from tests.project_app import run_task
from tests.waiting import until
from tests.worker.project import dead, next_task, project_settings, queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(celery_of_project: Any, queue: str, sink: Any, unclaimed: Any) -> Iterator[str]:
    with project_settings(queue, sink.port):
        yield queue


def send(*to: str) -> None:
    messages = [EmailMessage("s", "b", "me@x.test", [name]) for name in to]
    mailers.default.send_messages(messages)


def requeue(*ids: str, action: str = "requeue", **options: Any) -> str:
    out = StringIO()
    call_command("mailqueue", action, *ids, stdout=out, **options)
    return out.getvalue().strip()


def test_mail_of_a_key_that_was_wrong_is_queued_whole_when_it_is_mended(
    project, sink, unclaimed, caplog
):
    ask_for_key.cache_clear()
    send("a@x.test", "b@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        run_task(batch)
        assert caplog.text.count("Is SECRET_KEY the sender's?") == 1
        assert requeue() == "0 dead letters queued anew"
    assert len(unclaimed()) == 2
    assert requeue() == "2 dead letters queued anew"
    assert unclaimed() == []
    while task := next_task(project):
        [[argument], _, _] = json.loads(task.body) if task.body else task.payload
        run_task(argument)
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


def test_what_nobody_can_open_stays(project, unclaimed):
    run_task(json.dumps(["garbage"]))
    assert requeue(everything=True) == "0 dead letters queued anew"
    assert [letter.content for letter in unclaimed()] == ["garbage"]


def test_what_died_for_another_reason_is_queued_anew_if_all_are(project, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="a@x.test")
    send("a@x.test")
    run_task(queued(project))
    assert requeue() == "0 dead letters queued anew"
    assert len(dead(project)) == 1
    assert requeue(everything=True) == "1 dead letters queued anew"
    run_task(queued(project))
    assert sink.copies() == {"a@x.test": 1}


def test_a_batch_that_a_defect_of_ours_stopped_is_queued_whole(
    project, sink, unclaimed, monkeypatch
):
    send("a@x.test", "b@x.test")
    batch = queued(project)
    with monkeypatch.context() as broken:
        broken.setattr(run, "process", lambda *args, **kwargs: 1 / 0)
        run_task(batch)
    assert requeue(everything=True) == "1 dead letters queued anew"
    for _ in range(2):
        run_task(queued(project))
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


def test_none_is_lost_when_the_broker_goes_away_meanwhile(project, sink, unclaimed, monkeypatch):
    send("a@x.test", "b@x.test", "c@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        run_task(batch)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_may_be_interrupted_between_two(project, unclaimed, monkeypatch, number):
    """The signal comes when a mail is queued and its dead letter is still there."""
    send("a@x.test", "b@x.test", "c@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        run_task(batch)
    publish = Lane.publish

    def interrupted(self: Lane, *args: Any, **kwargs: Any) -> None:
        publish(self, *args, **kwargs)
        signal.raise_signal(number)

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as broken:
        broken.setattr(Lane, "publish", interrupted)
        with pytest.raises(CommandError, match="1 dead letters queued anew; interrupted") as raised:
            requeue()
    assert raised.value.returncode == 130
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert len(unclaimed()) == 2
    assert requeue() == "2 dead letters queued anew"


def test_what_dies_again_meanwhile_is_not_queued_once_more(project, unclaimed, monkeypatch):
    """Nothing was mended: without that it would never end."""
    send("a@x.test", "b@x.test")
    batch = queued(project)
    with override_settings(SECRET_KEY="another"):
        run_task(batch)

    def dies(self: Lane, texts: list[str], **kwargs: Any) -> None:
        with override_settings(SECRET_KEY="another"):
            run_task(json.dumps(texts))

    monkeypatch.setattr(Lane, "publish", dies)
    assert requeue() == "2 dead letters queued anew"
    assert len(unclaimed()) == 2


def test_rows_that_die_again_meanwhile_are_not_queued_once_more(
    celery_of_project, queue, sink, unclaimed, monkeypatch
):
    with project_settings(queue, sink.port, ledger="database"):
        monkeypatch.setattr("mailqueue.operating.requeue.BATCH", 1)
        sink.answer("RCPT", "550 5.1.1 no such mailbox", times=4)
        send("a@x.test", "b@x.test")
        run_task(queued(queue))
        ring = Lane.ring

        def dies(self: Lane, **kwargs: Any) -> bool:
            rung = ring(self, **kwargs)
            run_task(queued(queue))
            return rung

        monkeypatch.setattr(Lane, "ring", dies)
        assert requeue(everything=True) == "2 dead letters queued anew"
        assert Entry.objects.filter(state="dead").count() == 2


def test_who_was_slower_changes_nothing(celery_of_project, queue, sink, unclaimed):
    """Another has queued it since, and it died again, of one recipient."""
    with project_settings(queue, sink.port, ledger="database"):
        sink.answer("RCPT", "550 5.1.1 no such mailbox")
        send("a@x.test")
        run_task(queued(queue))
        [row] = Entry.objects.all()
        ledger = mailers.default.lane.kept()
        read = ledger._renewed

        def meanwhile(each: Entry) -> Any:
            Entry.objects.update(fence="another")
            return read(each)

        ledger._renewed = meanwhile
        assert ledger.requeue([row.pk]) == 0


def test_dead_letters_of_the_ledger(celery_of_project, queue, sink, unclaimed):
    with project_settings(queue, sink.port, ledger="database"):
        sink.answer("RCPT", "550 5.1.1 no such mailbox", times=2)
        send("a@x.test", "b@x.test", "c@x.test")
        run_task(queued(queue))
        assert Entry.objects.filter(state="dead").count() == 2
        assert requeue(everything=True) == "2 dead letters queued anew"
        run_task(queued(queue))
        assert set(Entry.objects.values_list("state", flat=True)) == {"sent"}
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1, "c@x.test": 1}


def test_a_text_of_many_things_is_one_dead_letter(project, unclaimed):
    for many in ([0] * 100_000, ["x"] * 100_000):
        run_task(json.dumps(many))
    assert len(unclaimed()) == 2


@pytest.fixture(params=["database", None])
def dead_at(request, celery_of_project, queue, sink, unclaimed):
    """Three dead letters, of 550, 551 and 552, at each level; give their ids by code."""
    with project_settings(queue, sink.port, ledger=request.param):
        for code in (550, 551, 554):
            sink.answer("RCPT", f"{code} 5.1.1 no", to=f"{code}@x.test")
            send(f"{code}@x.test")
            run_task(queued(queue))
        yield ids()


def ids() -> dict[int, str]:
    return {each["code"]: each["id"] for each in listing(Wanted(state="dead"), limit=10)}


@pytest.mark.parametrize("action", ["requeue", "discard"])
def test_dead_letters_are_chosen_by_id_and_by_code(dead_at, action):
    assert requeue(dead_at[550], action=action).startswith("1 dead letters")
    assert sorted(ids()) == [551, 554]
    assert requeue(action=action, code=551).startswith("1 dead letters")
    assert requeue(action=action, mailer="gone").startswith("0 dead letters")
    with pytest.raises(CommandError, match=r"^0 dead letters .*show ID' tells"):
        requeue("x", action=action)
    assert sorted(ids()) == [554]
    assert requeue(action=action, everything=True).startswith("1 dead letters")
    assert ids() == {}


def test_what_is_requeued_arrives(dead_at, queue, sink):
    requeue(dead_at[551])
    run_task(queued(queue))
    assert sink.copies() == {"551@x.test": 1}


def test_what_is_discarded_is_gone(dead_at, queue, sink):
    requeue(action="discard", everything=True)
    assert requeue(everything=True).startswith("0 dead letters")
    assert sink.copies() == {}


def test_discard_wants_to_know_which(project):
    with pytest.raises(CommandError, match="Say which"):
        requeue(action="discard")


@pytest.mark.parametrize("action", ["requeue", "discard"])
def test_many_are_asked_about(dead_at, action, monkeypatch):
    monkeypatch.setattr(selecting, "FEW", 2)
    with pytest.raises(CommandError, match=r"3 dead letters.*Say --yes"):
        requeue(action=action, everything=True)
    assert len(ids()) == 3
    assert requeue(action=action, code=550).startswith("1 dead letters")
    assert requeue(action=action, everything=True, yes=True).startswith("2 dead letters")


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("", 3), ("n", 3)])
def test_the_answer_decides(dead_at, monkeypatch, answer, left):
    monkeypatch.setattr(selecting, "FEW", 2)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    with suppress(CommandError):
        requeue(action="discard", everything=True)
    assert len(ids()) == left


def test_many_of_the_ledger_are_queued_in_parts_and_an_interruption_loses_none(
    celery_of_project, queue, sink, unclaimed, monkeypatch
):
    with project_settings(queue, sink.port, ledger="database"):
        send(*[f"u{number}@x.test" for number in range(10)])
        Entry.objects.update(state="dead", due_at=None)
        monkeypatch.setattr("mailqueue.operating.requeue.BATCH", 3)
        parts = requeue_parts(Wanted(state="dead"))
        assert [next(parts), next(parts)] == [3, 3]
        parts.close()
        assert Entry.objects.filter(state="dead").count() == 4
        assert requeue(everything=True) == "4 dead letters queued anew"


def test_mail_of_a_mailer_that_is_gone_stays_and_can_be_cancelled(
    celery_of_project, queue, sink, unclaimed
):
    with project_settings(queue, sink.port, ledger="database"):
        sink.answer("RCPT", "550 5.1.1 no such mailbox")
        send("a@x.test")
        run_task(queued(queue))
        send("b@x.test")
        Entry.objects.update(mailer="gone")
        told = StringIO()
        assert requeue(everything=True, stderr=told) == "0 dead letters queued anew"
        assert "Those of gone stay" in told.getvalue()
        waiting = Entry.objects.get(state="queued")
        assert requeue(waiting.pk, action="cancel") == f"{waiting.pk}: cancelled"
        assert set(Entry.objects.values_list("state", flat=True)) == {"cancelled", "dead"}


@pytest.mark.parametrize("ledger", [None, "database"])
def test_recipients_of_one_mail_who_died_one_after_the_other_are_queued_at_once(
    celery_of_project, queue, sink, unclaimed, ledger
):
    """With a ledger: one that the mailer got since."""
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="a@x.test")
    sink.answer("RCPT", "450 4.2.0 later", to="b@x.test")
    with project_settings(queue, sink.port, retry={"schedule": [0.01], "jitter": 0}):
        both = EmailMessage("s", "b", "me@x.test", ["a@x.test", "b@x.test"])
        mailers.default.send_messages([both])
        run_task(queued(queue))
        sink.answer("RCPT", "550 5.1.1 no such mailbox", to="b@x.test")
        until(lambda: not work(queue) and len(dead(queue)) == 2)
    first, second = dead(queue)
    assert first.id == second.id
    with project_settings(queue, sink.port, ledger=ledger):
        assert requeue(everything=True) == "2 dead letters queued anew"
        while work(queue):
            pass
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


def work(queue: str) -> bool:
    """Do the next task; False if there is none now."""
    task = next_task(queue)
    if task is not None:
        [[argument], _, _] = task.payload
        run_task(argument)
    return task is not None


def test_what_may_be_rolled_back_is_no_reason_to_forget_a_dead_letter(
    celery_of_project, queue, sink, unclaimed
):
    """The broker alone kept mail when it died; now there is a ledger, and a transaction."""
    sink.answer("RCPT", "550 5.1.1 no such mailbox")
    with project_settings(queue, sink.port):
        send("a@x.test")
        run_task(queued(queue))
    with project_settings(queue, sink.port, ledger="database"):
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            requeue(everything=True)
        assert len(dead(queue)) == 1
        assert requeue(everything=True) == "1 dead letters queued anew"
        assert Entry.objects.get().state == "queued"


@pytest.mark.parametrize("action", ["list", "requeue", "discard", "cancel", "show", "forget"])
@pytest.mark.parametrize("blank", ["", " ", "\udcff", "a\0"])
def test_a_name_that_is_none_is_an_error(celery_of_project, queue, sink, action, blank):
    """As of a shell's variable that is not set: it is not all mail."""
    with project_settings(queue, sink.port, ledger="database"):
        sink.answer("RCPT", "550 5.1.1 no such mailbox")
        send("a@x.test")
        run_task(queued(queue))
        with pytest.raises(CommandError, match="must be a name"):
            requeue(blank, action=action)
        assert Entry.objects.get().state == "dead"
        with pytest.raises(ValueError, match="blank"):
            Wanted(ids=[" "])


@pytest.mark.parametrize("limit", ["0", "-1", "x", "9" * 30])
def test_a_limit_is_a_number_from_1_on(project, limit):
    for action in ("list", "show"):
        names = ["a@x.test"] if action == "show" else []
        with pytest.raises(CommandError, match="must be a number from 1 on"):
            requeue(*names, f"--limit={limit}", action=action)


def test_mail_is_cancelled_by_id(celery_of_project, queue, sink):
    with project_settings(queue, sink.port, ledger="database"):
        send("a@x.test")
        [mail] = Entry.objects.all()
        assert requeue(mail.pk, action="cancel") == f"{mail.pk}: cancelled"
        with pytest.raises(CommandError, match="Too late, or not known"):
            requeue(mail.pk, "x", action="cancel")
        assert Entry.objects.get().state == "cancelled"
