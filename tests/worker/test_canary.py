"""Nothing of a mail, and no password, can be read where others may look."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from aiosmtpd.smtp import AuthResult
from celery import Celery

from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.demo.sink import Sink, Stall
from tests.canaries import BODY, CANARIES, PASSWORD, RECIPIENT, SIGNING_KEY, SUBJECT, found
from tests.procnodes import Process, worker_command
from tests.waiting import until

ENCRYPTION_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

# Celery cuts its lines off after 1024 characters, often before anything that should not be there.
SETTINGS = """
from celery.concurrency import base
base.truncate = lambda text, length: text
SECRET_KEY = "{secret_key}"
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
MAILERS = {{
    "default": {{
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {{
            "using": "smtp", "queue": "{queue}", "encryption_keys": {keys},
            "retry": {{"schedule": [3600]}},
        }},
    }},
    "smtp": {{
        "BACKEND": "mailqueue.backends.smtp.EmailBackend",
        "OPTIONS": {{
            "host": "127.0.0.1", "port": {port}, "timeout": 30,
            "username": "user", "password": "{password}",
        }},
    }},
}}
CELERY_BROKER_URL = "{broker_url}"
CELERY_RESULT_BACKEND = "{redis_url}"
CELERY_RESULT_EXTENDED = True
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_TASK_IGNORE_RESULT = False
"""
SEND = """
import django; django.setup()
from datetime import timedelta
from django.utils.timezone import now
from mailqueue.scheduling import queue_options
from tests import canaries
canaries.message().send()
queue_options(canaries.message(), send_at=now() + timedelta(hours=1)).send()
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Run an SMTP server that takes any password."""
    with Sink(auth_require_tls=False, authenticator=welcome) as running:
        yield running


def welcome(*args: object) -> AuthResult:
    return AuthResult(success=True)


@pytest.fixture(params=[("prefork", True), ("prefork", False), ("threads", False)], ids=str)
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param[0])


@pytest.fixture
def encrypted(request: pytest.FixtureRequest, pool: str) -> bool:
    return bool(request.node.callspec.params["pool"][1])


@pytest.fixture
def folder(tmp_path: Path, broker_url: str, redis_url: str, queue: str, sink: Sink, encrypted):
    text = SETTINGS.format(
        queue=queue,
        keys=[ENCRYPTION_KEY] if encrypted else [],
        port=sink.port,
        password=PASSWORD,
        secret_key=SIGNING_KEY,
        broker_url=broker_url,
        redis_url=redis_url,
    )
    (tmp_path / "canary_settings.py").write_text(text)
    (tmp_path / "send.py").write_text(SEND)
    return tmp_path


@pytest.fixture
def worker(folder: Path, pool: str) -> Iterator[Process]:
    command = worker_command("worker", "-c", "1", "-P", pool, "-E", "-l", "DEBUG", node=folder.name)
    process = Process("worker", command, cwd=folder, env=environment(folder))
    yield process
    end(process)
    process.remove()


def end(worker: Process) -> None:
    """End it so that what it has in hand goes back to the queue, which goes after the test."""
    worker.kill("SIGTERM")
    worker.popen.wait(60)


def environment(folder: Path) -> dict[str, str]:
    path = ":".join([str(folder), *sys.path])
    return {"DJANGO_SETTINGS_MODULE": "canary_settings", "PYTHONPATH": path}


class Events:
    """All events of all workers, as text."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.seen = ""
        self.succeeded = threading.Event()
        self.thread = threading.Thread(target=self.capture, daemon=True)

    def capture(self) -> None:
        with self.app.connection_for_read() as connection:
            self.receiver = self.app.events.Receiver(connection, handlers={"*": self.note})
            self.receiver.capture(limit=None, timeout=60, wakeup=True)

    def note(self, event: dict) -> None:
        self.seen += repr(event)
        if event["type"] == "task-succeeded":
            self.succeeded.set()
            self.receiver.should_stop = True


def dump_of_redis(url: str, pattern: str = "*") -> str:
    with redis.Redis.from_url(url) as client:
        return repr({key: dump_key(client, key) for key in client.keys(pattern)})


def dump_key(client: redis.Redis, key: bytes) -> object:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"hash":
            return client.hgetall(key)
        case b"set":
            return client.smembers(key)
        case _:
            return client.zrange(key, 0, -1)


def dump_of_queues(app: Celery, queue: str, quorum: bool) -> str:
    seen = []
    with app.connection_for_read() as connection:
        for each in (mail_queue(queue, quorum=quorum), dead_queue(queue, quorum=quorum)):
            bound = each(connection.default_channel)
            bound.declare()
            while message := bound.get(no_ack=True):
                seen.append((message.body, message.headers, message.properties))
    return repr(seen)


def inspected(app: Celery, name: str) -> str:
    """Return all that ``celery inspect`` shows of the worker whose name begins so."""
    inspect: Any = app.control.inspect(timeout=2)
    active = {node: tasks for node, tasks in (inspect.active() or {}).items() if name in node}
    [[task]] = active.values()
    mine = app.control.inspect(list(active), timeout=2)
    seen = [active, mine.query_task(task["id"]), mine.reserved(), mine.scheduled()]
    return repr([*seen, mine.revoked(), mine.stats(), mine.conf(), mine.report()])


def send(folder: Path, worker: Process) -> None:
    subprocess.run([sys.executable, "send.py"], cwd=folder, env=worker.env, check=True)


def test_no_canary_is_found_anywhere(
    folder, worker, pool, encrypted, broker_url, redis_url, queue, sink
):
    app = Celery("watcher", broker=broker_url, set_as_current=False)
    events = Events(app)
    events.thread.start()
    stall = Stall()
    sink.answer("RCPT", stall, to=RECIPIENT)
    sink.answer("RCPT", f"550 5.1.1 <{RECIPIENT}> {SUBJECT} {BODY} unknown", to=RECIPIENT, times=9)

    send(folder, worker)
    assert stall.reached.wait(60)
    places = {"inspect": inspected(app, folder.name)}
    if encrypted:
        places["Redis while it is sent"] = dump_of_redis(redis_url)
    assert places["inspect"].count("mailqueue.deliver") >= 2  # active, and query_task
    stall.release()
    assert events.succeeded.wait(60)
    places["events"] = events.seen
    places["results"] = dump_of_redis(redis_url, "celery-task-meta-*")
    end(worker)
    places["log"] = worker.logs().decode()
    stored = dump_of_queues(app, queue, quorum=broker_url.startswith("amqp"))
    if encrypted:
        places["Redis afterwards"] = dump_of_redis(redis_url)
        places["dead letters"] = stored

    # Not even the sealed mail: without encryption keys it would be the mail itself.
    shown = places["inspect"] + places["events"] + places["log"]
    assert "1.aesgcm." not in shown
    assert "1.json." not in shown
    assert ("1.aesgcm." if encrypted else "1.json.") in stored
    assert "task-received" in places["events"]
    assert "TaskPool: Apply" in places["log"]
    assert "dead letter" in places["log"]
    assert {where: found(text) for where, text in places.items() if found(text)} == {}


@pytest.mark.parametrize("pool", [("prefork", False)], indirect=True, ids=str)
def test_a_process_that_dies_with_mail_shows_nothing_of_it(folder, worker, pool, sink):
    stall = Stall()
    sink.answer("RCPT", stall, to=RECIPIENT)
    send(folder, worker)
    assert stall.reached.wait(60)
    [child] = psutil.Process(worker.popen.pid).children()
    child.kill()
    stall.release()
    until(lambda: "WorkerLostError" in worker.logs().decode())
    assert found(worker.logs().decode()) == set()


def test_canaries_are_found_where_they_are() -> None:
    import base64

    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + repr(CANARIES).encode()).decode()
        assert found(f"[{encoded}") == set(CANARIES)
