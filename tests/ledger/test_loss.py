"""Brokers that forget and processes that die or stop: every mail arrives, none twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.db import connections

from mailqueue.broker.publish import publisher_of
from mailqueue.demo.sink import Stall
from mailqueue.lanes import Lane
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry, State
from mailqueue.mail import mailers
from mailqueue.relay import INTERVAL, relay
from tests.ledger.mails import PAST
from tests.ledger.projects import Project, message
from tests.procnodes import Process, redis_process, run, worker_command
from tests.project_app import run_task
from tests.waiting import until

ROOT = Path(__file__).parents[2]


def count(**fields: Any) -> int:
    return Entry.objects.filter(**fields).count()


def environment(project: Project, alias: str, broker: str, **options: Any) -> dict[str, str]:
    """Return what makes another process one of the same project."""
    database = connections.settings[alias]
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.ledger.project",
        "MAILQUEUE_TEST_DATABASE": json.dumps(database, default=str),
        "MAILQUEUE_MAILERS": json.dumps(project.mailers(**options)),
        "MAILQUEUE_BROKER_URL": broker,
    }


def runs(what: str, environ: dict[str, str], *batches: str) -> int:
    """Run the process that dies; return its exit status."""
    command = [sys.executable, "-m", "tests.ledger.dies", what]
    return subprocess.run(
        command, env=environ, input="\n".join(batches), text=True, timeout=60, check=False
    ).returncode


def lapse() -> None:
    """Let the time pass of all that is published or leased."""
    Entry.objects.exclude(due_at=None).update(due_at=PAST)


@pytest.fixture
def environ(project, table, redis_url, request) -> dict[str, str]:
    """Return what makes another process one of the project; its queue has the options asked for."""
    options = getattr(request, "param", {})
    return environment(project, table, redis_url, **options)


def test_killed_between_commit_and_ring_the_mail_goes_out_all_the_same(project, environ):
    assert runs("at-commit", environ) == -signal.SIGKILL
    assert project.take() == []
    assert relay() == [project.queue]
    project.work()
    assert project.sink.copies() == {"a@example.test": 1}


def test_killed_before_the_target_was_asked_the_mails_arrive_once(project, environ):
    project.send(message("a@example.test"), message("b@example.test"))
    assert runs("before-send", environ, *project.take()) == -signal.SIGKILL
    lapse()
    relay()
    project.work()
    assert project.sink.copies() == {"a@example.test": 1, "b@example.test": 1}


@pytest.mark.parametrize("environ", [{"batch_size": 2}], indirect=True)
def test_killed_before_the_mark_a_window_comes_twice_and_never_a_third_time(project, environ):
    """Window W2: what was in hand, no more than `batch_size` mails."""
    with project.using(batch_size=2):
        project.send(*(message(f"{name}@example.test") for name in "abcd"))
        rings = project.take()
        for _ in range(3):
            assert runs("before-mark", environ, *rings) in (0, -signal.SIGKILL)
            lapse()
            relay()
            rings = project.take()
        for ring in rings:
            run_task(ring)
        project.work()
    copies = project.sink.copies()
    assert set(copies) == {f"{name}@example.test" for name in "abcd"}
    assert max(copies.values()) <= 2
    assert count(due_at=None) == 4


@pytest.fixture
def worker(project, environ) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that does the tasks named on its standard input."""
    command = [sys.executable, "-m", "tests.ledger.dies", "never"]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def stopped_while_sending(project, worker, stall, *rings: str, stage: str = "MAIL") -> None:
    """Stop a worker that has begun to send the first mail of a window."""
    project.sink.answer(stage, stall)
    while True:
        worker.stdin.write("".join(f"{ring}\n" for ring in rings))
        worker.stdin.flush()
        if stall.reached.wait(20):
            break
        # So slow at its start that the time of its first window was over.
        assert worker.poll() is None
        relay()
        rings = tuple(project.take())
    worker.stdin.close()
    worker.send_signal(signal.SIGSTOP)


def goes_on(worker, stall) -> None:
    """Let a stopped worker go on, to its end."""
    worker.send_signal(signal.SIGCONT)
    stall.release()
    assert worker.wait(60) == 0


@pytest.mark.parametrize("environ", [{"batch_size": 1}], indirect=True)
def test_a_stopped_worker_keeps_only_what_it_has_in_hand(project, worker):
    """Within its lease nobody sends that mail; what it has not claimed goes out meanwhile."""
    project.send(*(message(f"{name}@example.test") for name in "abcde"))
    stall = Stall()
    stopped_while_sending(project, worker, stall, *project.take())
    assert count(handed=1) == 1
    relay()
    project.work()
    assert len(project.sink.mails) == 4
    goes_on(worker, stall)
    assert set(project.sink.copies().values()) == {1}
    assert count(state=State.SENT) == 5


SHORT = {"batch_size": 5, "lease": 4.0}


@pytest.mark.parametrize("environ", [SHORT], indirect=True)
@pytest.mark.parametrize(("stage", "most"), [("MAIL", 1), ("DATA", 2)])
def test_stopped_beyond_its_lease_a_worker_sends_only_what_it_was_sending(
    project, worker, stage, most
):
    """Window W3: a mail whose content it was about to send; what it had not begun is given back."""
    with project.using(**SHORT):
        project.send(*(message(f"{name}@example.test") for name in "abcde"))
        stall = Stall()
        stopped_while_sending(project, worker, stall, *project.take()[:1], stage=stage)
        until(project_ledger().is_due)
        while count(state=State.SENT) < 5:
            relay()
            project.work()
        assert set(project.sink.copies().values()) == {1}
        goes_on(worker, stall)
    assert sorted(project.sink.copies().values()) == [1, 1, 1, 1, most]
    assert count(state=State.SENT) == 5


def project_ledger() -> DatabaseLedger:
    ledger = mailers.default.lane.ledger
    assert ledger is not None
    return ledger


@pytest.fixture
def own_redis(tmp_path_factory) -> Iterator[str]:
    """Run a Redis that the test may flush."""
    for node in run(redis_process(tmp_path_factory.mktemp("redis"))):
        yield f"redis://127.0.0.1:{node.port}/0"


@pytest.fixture
def own_project(table, own_redis, sink) -> Iterator[Project]:
    app = Celery("project", broker=own_redis)
    app.set_current()
    with Project(sink, "mail") as project:
        yield project
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()


@pytest.fixture
def workers(own_project, own_redis, table, tmp_path) -> Iterator[list[Process]]:
    """Start two workers of one process each."""
    env = environment(own_project, table, own_redis)
    processes = []
    try:
        for name in ("one", "two"):
            command = worker_command("worker", "-c", "1", "-l", "INFO", node=name)
            processes.append(Process(name, command, cwd=tmp_path, env=env))
        for process in processes:
            until(lambda process=process: b" ready." in process.logs())
        yield processes
    finally:
        for process in processes:
            process.remove()


def test_flushing_redis_loses_nothing_and_doubles_nothing(own_project, own_redis, workers):
    """700 mails queued, two windows in the hands of workers."""
    stall = Stall()
    own_project.sink.answer("MAIL", stall, times=2)
    own_project.send(*(message(f"{number}@example.test") for number in range(700)))
    until(lambda: count(state=State.SENDING) == 20)
    with redis.Redis.from_url(own_redis) as client:
        client.flushall()
    assert count(state=State.QUEUED) == 680
    stall.release()
    own_project.sink.wait(lambda: len(own_project.sink.copies()) == 700, timeout=120)
    until(lambda: count(state=State.SENT) == 700)
    assert set(own_project.sink.copies().values()) == {1}


def test_killing_workers_again_and_again_loses_nothing(own_project, own_redis, workers):
    """Only W2 is left: the window that was in hand when its worker was killed.

    `lapse()` ends the leases of the living, too: one of theirs may look like that as well.
    """
    own_project.send(*(message(f"{number}@example.test") for number in range(300)))
    for turn in range(4):
        wanted = 40 * (turn + 1)
        until(lambda wanted=wanted: len(own_project.sink.mails) >= wanted)
        victim = workers[turn % 2]
        victim.kill("SIGKILL")
        victim.start()
        Entry.objects.filter(state=State.SENDING).update(due_at=PAST)
    until(lambda: all_over(300), timeout=120)
    copies = own_project.sink.copies()
    # Killed twice before its turn in the window came, a mail is a dead letter that nobody got.
    assert 300 - len(copies) <= count(state=State.DEAD, handed__gt=1)
    assert sum(copies.values()) <= 300 + 4 * 2 * 10
    assert max(copies.values()) <= 2


def test_what_nobody_rang_for_is_sent_by_a_workers_timer(own_project, workers, monkeypatch):
    """Each worker looks every `INTERVAL` seconds, more or less."""
    monkeypatch.setattr(Lane, "ring", lambda self, **kwargs: False)
    own_project.send(*(message(f"{number}@example.test") for number in range(3)))
    until(lambda: count(state=State.SENT) == 3, timeout=3 * INTERVAL)
    assert set(own_project.sink.copies().values()) == {1}


@pytest.fixture
def far(own_project, own_redis, table, tmp_path) -> Iterator[Callable[..., Process]]:
    """Start a worker whose target was slow at the first mail, so that it opens more connections."""
    processes = []

    def started(pool: str, children: int = 1, **options: Any) -> Process:
        own_project.options = own_project.options | options
        env = environment(own_project, table, own_redis)
        arguments = ("-P", pool, "-c", str(children), "-l", "INFO")
        command = worker_command("worker", *arguments, node="far")
        processes.append(Process("far", command, cwd=tmp_path, env=env))
        until(lambda: b" ready." in processes[-1].logs())
        stall = Stall()
        own_project.sink.answer("MAIL", stall)
        with own_project.using():
            own_project.send(message("first@example.test"))
        assert stall.reached.wait(60)
        time.sleep(1)  # much more than a mail costs
        stall.release()
        own_project.sink.wait(lambda: len(own_project.sink.mails) == 1)
        return processes[-1]

    yield started
    for process in processes:
        process.remove()


def in_hand(own_project, number: int, copies: int) -> Stall:
    """Send so many mails, and wait until so many are out, over a connection each."""
    stall = Stall()
    own_project.sink.answer("DOT", stall, times=copies)
    with own_project.using():
        own_project.send(*(message(f"{each}@example.test") for each in range(number)))
    until(lambda: own_project.sink.answers[-1].times == 0)
    return stall


ONE_DATABASE = pytest.mark.parametrize("table", ["postgresql"], indirect=True)


@ONE_DATABASE
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_killed_with_several_connections_open_a_worker_leaves_one_window(own_project, far, pool):
    """Window W2 is no larger for it: what was in hand is in doubt, and sent once more."""
    worker = far(pool, batch_size=8, connections=4)
    until(lambda: count(state=State.SENT) == 1)
    stall = in_hand(own_project, 12, copies=4)
    worker.kill("SIGKILL")
    assert count(state=State.SENDING) == 8
    stall.release()
    Entry.objects.filter(state=State.SENDING).update(due_at=PAST)
    worker.start()
    until(lambda: count(state=State.SENT) == 13)
    copies = own_project.sink.copies()
    assert len(copies) == 13
    assert max(copies.values()) <= 2
    assert sum(copies.values()) <= 13 + 8


@ONE_DATABASE
@pytest.mark.parametrize(("pool", "ledger"), [("prefork", "database"), ("threads", None)])
def test_stopped_with_several_connections_open_a_worker_ends_what_it_has(
    own_project, far, pool, ledger
):
    worker = far(pool, 2, batch_size=8, connections=4, ledger=ledger)
    stall = in_hand(own_project, 24, copies=4)
    worker.kill("SIGTERM")
    stall.release()
    assert worker.popen.wait(60) == 0
    assert own_project.sink.connections <= 2 * 4 + 1
    worker.start()
    own_project.sink.wait(lambda: len(own_project.sink.copies()) == 25)
    assert set(own_project.sink.copies().values()) == {1}


def all_over(number: int) -> bool:
    """Whether all are sent, or dead because nobody knows, for the second time, if they were."""
    unknown = count(state=State.DEAD, handed__gt=1)
    return count(state=State.SENT) + unknown == number
