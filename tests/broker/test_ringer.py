"""Who sends does not wait for the broker: a thread rings, and what is asked for last is rung."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest
from celery import Celery
from redis import Redis

from mailqueue.broker import bell, ringer
from mailqueue.broker.ringer import Ring, Ringer
from tests.fork import holds_in_child
from tests.services import queue_on
from tests.worker.shop import SETTINGS, Project

APP = Celery("rings", broker="memory://", set_as_current=False)


@pytest.fixture
def rung(monkeypatch) -> list[str]:
    """Note what is rung."""
    heard: list[str] = []
    monkeypatch.setattr(bell, "ring", lambda queue, priority, *, app: heard.append(queue))
    return heard


def ask(ours: Ringer, *queues: str) -> None:
    for queue in queues:
        ours.ask(Ring(APP, queue, None))


def wait_for_the_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "mailqueue-ringer":
            thread.join(10)


def test_the_first_ring_goes_at_once_and_one_is_for_all_who_ask_meanwhile(rung, monkeypatch):
    rests, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        rests.set()
        go_on.wait(10)

    monkeypatch.setattr(ringer.time, "sleep", sleep)
    ours = Ringer()
    ask(ours, "mail")
    assert rests.wait(10)
    assert rung == ["mail"]
    ask(ours, *["mail"] * 100, "other")
    go_on.set()
    ours.flush(10)
    assert rung == ["mail", "mail", "other"]


def test_who_asks_does_not_wait_and_a_flush_does_so_for_as_long_as_it_is_told(monkeypatch):
    silent = threading.Event()
    monkeypatch.setattr(bell, "ring", lambda *args, app: silent.wait(20))
    ours = Ringer()
    ask(ours, "mail")
    before = time.monotonic()
    ours.flush(0.1)
    assert time.monotonic() - before < 10
    silent.set()
    ours.flush(10)
    assert not ours._rings


def test_the_thread_ends_when_nobody_asks_and_another_one_is_started(rung, monkeypatch):
    monkeypatch.setattr(ringer, "IDLE", 0.0)
    ours = Ringer()
    for number in range(1, 4):
        ask(ours, "mail")
        ours.flush(10)
        assert len(rung) == number
        wait_for_the_threads()
        assert not ours._runs


def test_where_no_thread_can_be_started_it_is_rung_at_once(rung, monkeypatch):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ours = Ringer()
    with monkeypatch.context() as here:
        here.setattr(threading.Thread, "start", start)
        ask(ours, "mail")
        assert rung == ["mail"]
    ask(ours, "mail")
    ours.flush(10)
    assert rung == ["mail", "mail"]


def test_a_thread_that_is_killed_is_followed_by_another(monkeypatch):
    heard: list[str] = []

    def ring(queue: str, priority: int | None, *, app: Celery) -> None:
        heard.append(queue)
        if len(heard) == 1:
            raise SystemExit

    monkeypatch.setattr(bell, "ring", ring)
    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    ours = Ringer()
    ask(ours, "mail")
    wait_for_the_threads()
    ask(ours, "other")
    ours.flush(10)
    assert heard == ["mail", "other"]


def test_a_child_has_a_thread_of_its_own_and_its_parents_rings_are_the_parents(rung, monkeypatch):
    holds = threading.Event()
    monkeypatch.setattr(ringer.time, "sleep", lambda seconds: holds.wait(10))
    monkeypatch.setattr(ringer, "_ringer", Ringer())
    ask(ringer._ringer, "mail")
    ask(ringer._ringer, "parents")

    def rings() -> bool:
        heard = len(rung)
        ask(ringer._ringer, "childs")
        ringer._ringer.flush(60)
        return rung[heard:] == ["childs"]

    assert holds_in_child(rings)
    holds.set()
    ringer._ringer.flush(60)
    assert "parents" in rung
    assert "childs" not in rung


def test_of_ten_thousand_threads_that_ask_none_is_forgotten(rung):
    ours = Ringer()
    threads = [
        threading.Thread(target=lambda part=part: ask(ours, *(f"{part}-{n}" for n in range(500))))
        for part in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours.flush(30)
    assert sorted(rung) == sorted(f"{part}-{n}" for part in range(20) for n in range(500))


LEDGER = """
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{name}"}}}}
"""
SEND = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from mailqueue.broker import ringer
from mailqueue.mail import send_mail
ringer.FAREWELL = {farewell}
send_mail("Hello", "body", "a@x.test", ["b@x.test"])
"""


@pytest.fixture
def queue(redis_url):
    with queue_on(redis_url) as name:
        yield name


def project(tmp_path, broker: str, queue: str) -> Project:
    made = Project(tmp_path, "shop" + queue.rpartition("-")[2])
    values = {"broker_url": broker, "queue": queue, "port": 1, "using": "smtp"}
    made.write(settings=SETTINGS.format(**values) + LEDGER.format(name=tmp_path / "shop.sqlite3"))
    return made


@pytest.mark.broker
@pytest.mark.parametrize("then", ["", "raise SystemExit(0)"])
def test_a_process_that_ends_at_once_has_rung(tmp_path, redis_url, queue, then):
    project(tmp_path, redis_url, queue).send(SEND.format(farewell=60) + then)
    with Redis.from_url(redis_url) as redis:
        assert redis.llen(queue) == 1


def test_a_broker_that_is_silent_keeps_no_process_from_its_end(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        project(tmp_path, f"redis://127.0.0.1:{port}/0", "test-silent").send(
            SEND.format(farewell=ringer.FAREWELL)
        )


def test_what_a_handler_of_logs_has_opened_is_closed_before_the_next_ring(monkeypatch):
    closed = []
    monkeypatch.setattr(bell, "ring", lambda *args, app: None)
    monkeypatch.setattr(ringer.connections, "close_all", lambda: closed.append("closed"))
    ours = Ringer()
    ask(ours, "mail")
    ours.flush(10)
    assert closed == ["closed"]


def test_a_thread_that_was_killed_with_the_lock_keeps_nobody_waiting(rung, monkeypatch):
    killed = Ringer()
    threading.Thread(target=killed._changed.acquire).start()  # and never released
    monkeypatch.setattr(ringer, "_ringer", killed)
    monkeypatch.setattr(ringer, "HELD", 0.05)
    monkeypatch.setattr(ringer, "carrier_app", lambda: APP)
    monkeypatch.setattr(ringer.eager, "is_eager", lambda app: False)
    monkeypatch.setattr(ringer, "publisher_of", lambda app: SimpleNamespace(in_process=False))
    for _ in range(2):
        ringer.ring_soon("mail")
        ringer.flush()
    assert rung == ["mail"] * 2
    assert ringer._ringer is not killed
    killed.flush(10)
