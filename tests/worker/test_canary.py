"""Nothing of an encrypted mail, and no password, can be read where others may look."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import redis
from aiosmtpd.smtp import AuthResult
from celery import Celery

from mailqueue.broker.queues import dead_queue, mail_queue
from mailqueue.demo.sink import Sink, Stall
from tests.procnodes import Process

TOKEN, ADDRESS, PASSWORD = "token-4f1e", "canary-6b2a@example.test", "password-93cc"
CANARIES = (TOKEN, ADDRESS, ADDRESS.partition("@")[0], PASSWORD)
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

SETTINGS = """
SECRET_KEY = "key"
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
MAILERS = {{
    "default": {{
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {{
            "using": "smtp", "queue": "{queue}", "encryption_keys": ["{key}"],
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
"""
SEND = """
import django; django.setup()
from mailqueue.mail import send_mail
send_mail("{token}", "{token}", "a@example.test", ["{address}"])
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Run an SMTP server that takes any password."""
    with Sink(auth_require_tls=False, authenticator=welcome) as running:
        yield running


def welcome(*args: object) -> AuthResult:
    return AuthResult(success=True)


@pytest.fixture
def folder(tmp_path, broker_url, redis_url, queue, sink):
    text = SETTINGS.format(
        queue=queue,
        key=KEY,
        port=sink.port,
        password=PASSWORD,
        broker_url=broker_url,
        redis_url=redis_url,
    )
    (tmp_path / "canary_settings.py").write_text(text)
    (tmp_path / "send.py").write_text(SEND.format(token=TOKEN, address=ADDRESS))
    return tmp_path


@pytest.fixture
def worker(folder) -> Iterator[Process]:
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-c", "1"]
    command += ["-E", "-l", "INFO"]
    process = Process("worker", command, cwd=folder, env=environment(folder))
    yield process
    process.remove()


def environment(folder) -> dict[str, str]:
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


def dump_of_redis(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        return repr({key: dump_key(client, key) for key in client.keys("*")})


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


def test_no_canary_is_found_anywhere(folder, worker, broker_url, redis_url, queue, sink):
    app = Celery("watcher", broker=broker_url, set_as_current=False)
    events = Events(app)
    events.thread.start()
    stall = Stall()
    sink.answer("RCPT", stall, to=ADDRESS)
    sink.answer("RCPT", f"550 5.1.1 <{ADDRESS}> {TOKEN} unknown", to=ADDRESS, times=9)

    subprocess.run(
        [sys.executable, "send.py"],
        cwd=folder,
        env=worker.env,
        check=True,
    )
    assert stall.reached.wait(60)
    inspect = app.control.inspect(timeout=2)
    places = {
        "inspect": repr([inspect.active(), inspect.reserved(), inspect.stats(), inspect.conf()]),
        "Redis while it is sent": dump_of_redis(redis_url),
    }
    assert "mailqueue.deliver" in places["inspect"]
    stall.release()
    assert events.succeeded.wait(60)
    places["events"] = events.seen
    places["Redis afterwards"] = dump_of_redis(redis_url)
    places["dead letters"] = dump_of_queues(app, queue, quorum=broker_url.startswith("amqp"))
    worker.kill("SIGTERM")
    worker.popen.wait(60)
    places["log"] = worker.logs().decode()

    # Not even the sealed mail: without encryption keys it would be the mail itself.
    shown = places["inspect"] + places["events"] + places["log"]
    assert "1.aesgcm." not in shown
    assert "1.aesgcm." in places["dead letters"]
    assert "task-received" in places["events"]
    found = {(where, one) for where, text in places.items() for one in CANARIES if one in text}
    assert found == set()
