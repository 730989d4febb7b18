"""A paused mailer whose mail the ledger keeps: nothing goes, nothing dies, all goes afterwards."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import override_settings
from django.utils.timezone import now

from mailqueue import log
from mailqueue.broker import bell
from mailqueue.control import pause, resume
from mailqueue.delivery import paused
from mailqueue.delivery.work import work
from mailqueue.demo.sink import Stall
from mailqueue.ledger.models import Entry, Pause, State
from mailqueue.mail import mailers
from mailqueue.operating.overview import overviews
from mailqueue.relay import relay
from mailqueue.scheduling import queue_options
from tests.ledger.databases import To, connected
from tests.ledger.mails import LATER, OURS, SENT, envelope, finish, make_due, record, row, settled
from tests.ledger.projects import Project, in_thread, message
from tests.ledger.test_loss import environment
from tests.procnodes import Process, free_port, worker_command
from tests.project_app import run_task
from tests.waiting import until


@pytest.fixture(autouse=True)
def nobody_asked(table: str) -> Iterator[None]:
    """Begin as a process that has seen no pause, with none in the table."""
    Pause.objects.all().delete()
    paused.forget()
    log._paused.clear()
    yield
    Pause.objects.all().delete()
    paused.forget()


def states() -> list[str]:
    return sorted(Entry.objects.values_list("state", flat=True))


@contextmanager
def two(project: Project, **options: Any) -> Iterator[None]:
    """Have a second queue mailer, "urgent", on the same queue."""
    both = project.mailers(**options)
    both["urgent"] = both["default"]
    with override_settings(MAILERS=both):
        yield


def test_a_paused_mailer_waits_and_another_on_its_queue_does_not(project):
    with two(project):
        project.send(*(message(f"{n}@example.test") for n in range(15)))
        assert pause("default")
        mailers["urgent"].send_messages([message("urgent@example.test")])
        project.send(message("later@example.test"))
        project.work()
        assert project.sink.copies() == {"urgent@example.test": 1}
        assert set(Entry.objects.values_list("mailer", "attempts", "handed", "state")) == {
            ("default", 0, 0, State.QUEUED),
            ("urgent", 1, 0, State.SENT),
        }
        for _ in range(3):
            assert relay() == []
        assert project.take() == []
        assert resume("default")
        assert project.work() > 0
    assert set(project.sink.copies().values()) == {1}
    assert states() == [State.SENT] * 17


def test_pausing_twice_is_one_pause_and_what_is_not_paused_cannot_be_resumed(project):
    assert not resume("default")
    assert project.take() == []
    assert pause("default")
    [before] = overviews()
    assert not pause("default")
    [after] = overviews()
    assert before.paused == after.paused
    assert abs((now() - after.paused).total_seconds()) < 60
    assert resume("default")
    assert not resume("default")
    [over] = overviews()
    assert over.paused is None


def test_what_is_in_hand_is_sent_and_nothing_after_it(project):
    with project.using(batch_size=2):
        stall = Stall()
        project.sink.answer("DATA", stall)
        project.send(*(message(f"{n}@example.test") for n in range(5)))
        [ring] = project.take()
        worker = in_thread(ring)
        assert stall.reached.wait(30)
        assert pause("default")
        stall.release()
        worker.join()
        bell.forget()  # that thread knows of no broker
        project.work()
        assert states() == [State.QUEUED] * 3 + [State.SENT] * 2
        resume("default")
        project.work()
    assert set(project.sink.copies().values()) == {1}
    assert states() == [State.SENT] * 5


HOUR = 3600.0


def test_a_mail_is_no_older_after_a_pause_than_before(project):
    """Two hours in a queue whose mails may be an hour old, all but a minute of it paused."""
    project.sink.answer("RCPT", "451 4.7.1 greylisted")
    with project.using(retry={"max_age": HOUR, "schedule": [60], "jitter": 0}):
        ledger = mailers.default.lane.ledger
        record(ledger, envelope(queued_at=time.time() - 2 * HOUR))
        assert pause("default")
        Pause.objects.update(since=now() - timedelta(seconds=2 * HOUR - 60))
        assert ledger.claim(limit=1, outlived=True) == []
        assert resume("default")
        [entry] = Entry.objects.all()
        assert HOUR - 120 < (entry.give_up_at - now()).total_seconds() < HOUR
        project.work()
        assert states() == [State.DEFERRED]
        make_due()
        relay()
        project.work()
    assert states() == [State.SENT]


def test_a_pause_counts_once_however_often_recipients_are_done(ledger):
    """What is packed anew for the others says the age without the pause."""
    mail = envelope("a@example.test", "b@example.test", queued_at=time.time() - 2 * HOUR)
    record(ledger, mail)
    pauses = 2
    for _ in range(pauses):
        Pause.objects.create(mailer="default", since=now() - timedelta(seconds=HOUR / 2))
        assert resume_table()
    for outcomes in ({"a": SENT, "b": LATER}, {"b": LATER}, {"b": OURS}):
        [claim] = ledger.claim(limit=1)
        age = time.time() - claim.envelope.queued_at
        assert age == pytest.approx(2 * HOUR - pauses * HOUR / 2, abs=60)
        finish(ledger, claim, settled(claim.envelope, **outcomes))
        make_due()
    assert row(mail).held == 0


def resume_table() -> bool:
    from mailqueue.ledger.pauses import resume

    return resume("default")


def test_a_dead_letter_that_is_queued_anew_is_young_whatever_was_paused(ledger):
    mail = envelope()
    record(ledger, mail)
    Entry.objects.update(state=State.DEAD, due_at=None, held=HOUR)
    ledger.requeue([mail.id])
    [claim] = ledger.claim(limit=1)
    assert claim.envelope.queued_at == pytest.approx(time.time(), abs=60)


def test_what_expires_while_its_mailer_is_paused_is_not_sent(project):
    pause("default")
    project.send(queue_options(message(), expires=datetime(2020, 1, 1, tzinfo=UTC)))
    project.work()
    assert states() == [State.QUEUED]
    resume("default")
    project.work()
    [entry] = Entry.objects.all()
    assert (entry.state, entry.reason, project.sink.mails) == (State.DEAD, "expired", [])


def test_of_many_who_resume_at_once_one_does(project, table):
    project.send()
    project.take()
    Pause.objects.create(mailer="default", since=now() - timedelta(seconds=HOUR))
    told: list[bool] = []

    def resuming() -> None:
        try:
            told.append(resume_table())
        finally:
            connections.close_all()

    threads = [Thread(target=resuming) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False, False, False, True]
    assert Entry.objects.get().held == pytest.approx(HOUR, abs=60)


def test_a_pause_of_a_transaction_counts_when_it_commits(project, table):
    project.send()
    with transaction.atomic(using=table):
        pause("default")
        transaction.set_rollback(True, using=table)
    pause("default")
    with transaction.atomic(using=table):
        assert resume("default")
        assert len(project.take()) == 1  # of the mail, none of the end of the pause
    project.work()
    assert states() == [State.SENT]


def test_the_timer_tells_each_change_once(project, caplog):
    for change in (pause, resume):
        change("default")
        for _ in range(2):
            relay()
    assert [each.getMessage() for each in caplog.records if "Mailer" in each.getMessage()] == [
        "Mailer 'default' is paused: its mail waits until somebody resumes it.",
        "Mailer 'default' is resumed: its mail goes again.",
    ]


@pytest.mark.parametrize("table", ["postgresql"], indirect=True)
def test_a_worker_of_its_own_waits_and_goes_on(project, table, redis_url, tmp_path):
    """Over its own end, too: it is killed and started again while the mailer is paused."""
    with two(project):
        env = environment(project, table, redis_url)
        both = project.mailers()
        both["urgent"] = both["default"]
        env["MAILQUEUE_MAILERS"] = json.dumps(both)
        pause("default")
        project.send(*(message(f"{n}@example.test") for n in range(3)))
        worker = Process("worker", worker_command("worker", "-c", "1"), cwd=tmp_path, env=env)
        try:
            for number in (1, 2):
                mailers["urgent"].send_messages([message(f"{number}@urgent.test")])
                until(lambda number=number: states().count(State.SENT) == number)
                if number == 1:
                    worker.kill()
                    worker.restart()
            assert project.sink.copies() == {"1@urgent.test": 1, "2@urgent.test": 1}
            resume("default")
            until(lambda: states() == [State.SENT] * 5)
        finally:
            worker.remove()
    assert set(project.sink.copies().values()) == {1}


class TestBareMail:
    """Of a mailer with "ledger": None in a project that has the ledger."""

    @pytest.fixture
    def bare(self, project: Project) -> Iterator[Project]:
        with project.using(ledger=None):
            yield project

    @pytest.fixture(autouse=True)
    def asked_each_time(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(paused, "EVERY", 0.0)

    def test_the_table_pauses_it(self, bare):
        bare.send()
        pause("default")
        [task] = bare.take()
        run_task(task)
        assert bare.sink.mails == []
        resume("default")
        bare.work()
        assert set(bare.sink.copies().values()) == {1}

    @pytest.mark.parametrize("known", [True, False])
    def test_while_the_database_is_away_the_last_answer_holds(self, bare, table, known, caplog):
        if known:
            pause("default")
        bare.send(message(), message("b@example.test"))
        [task] = bare.take()
        assert paused.is_paused_here(mailers.default.lane) is known
        away = {**connections.settings["default"], "ENGINE": "django.db.backends.postgresql"}
        away |= {"HOST": "127.0.0.1", "PORT": free_port(), "NAME": "away"}
        with connected("away", away), override_settings(DATABASE_ROUTERS=[To("away")]):
            for _ in range(2):
                run_task(task)
            told = "Nobody can be asked whether mailer 'default' is paused: OperationalError."
            assert caplog.text.count(told) == 1
        assert len(bare.sink.mails) == (0 if known else 4)

    def test_a_database_that_is_silent_keeps_nothing_waiting(self, bare, monkeypatch):
        monkeypatch.setattr(paused, "PATIENCE", 0.1)
        bare.send()
        [task] = bare.take()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            away = {**connections.settings["default"], "ENGINE": "django.db.backends.postgresql"}
            away |= {"HOST": "127.0.0.1", "PORT": silent.getsockname()[1], "NAME": "silent"}
            with connected("silent", away), override_settings(DATABASE_ROUTERS=[To("silent")]):
                for _ in range(3):
                    run_task(task)
                [answer] = paused._answers.values()
                questions = list(answer.questions)
                assert len(questions) == 1
                assert questions[0].is_alive()
                assert len(bare.sink.mails) == 3
                silent.close()
                # Who has connected already is cut off by nobody but this.
                questions[0].join(30)


def test_work_looks_at_the_table_each_time(project):
    """Not at what it was told some seconds ago."""
    project.send()
    for _ in range(2):
        pause("default")
        assert work(project.queue) is None
        assert states() == [State.QUEUED]
        resume("default")
    work(project.queue)
    assert states() == [State.SENT]
