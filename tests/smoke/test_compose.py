"""The commands of docker-compose.yml and its variants, run here as they would be in a container."""

import re
import shutil
import socket
import sys
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from mailqueue.demo.sink import Sink
from tests.compose import REQUIRED, ROOT, VARIANTS, filled, services
from tests.ledger.databases import run_on, running
from tests.procnodes import Process, free_port
from tests.services import queue_on
from tests.waiting import until

NAMES = ("SECRET_KEY", "BROKER_PASSWORD", "DATABASE_PASSWORD")
SECRETS = {f"MAILQUEUE_{name}": "of this test" for name in NAMES}


class Composed:
    """The services of a variant that are ours, in a folder that has what the image has."""

    def __init__(self, folder: Path, over: list[str], here: dict[str, str]) -> None:
        self.folder = folder
        self.services = filled(services(over), SECRETS)
        self.port = str(free_port())
        self.here = here | {"HOSTNAME": socket.gethostname(), "PYTHONPATH": str(folder)}
        self.running: dict[str, Process] = {}
        for line in (ROOT / "Dockerfile").read_text().splitlines():
            if line.startswith("COPY"):
                for name in line.split()[1:-1]:
                    copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                    copy(ROOT / name, folder / name)

    def here_as(self, words: list[str]) -> list[str]:
        """Return a command with this machine's Python and port in place of the container's."""
        words = [word.replace("0.0.0.0:8000", "127.0.0.1:8000") for word in words]
        words = [word.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}") for word in words]
        return [sys.executable if word == "python" else word for word in words]

    def environment(self, name: str) -> dict[str, str]:
        # The test's own settings are no variable of the container.
        own = {"DJANGO_SETTINGS_MODULE": "worker.settings"}
        return own | self.services[name]["environment"] | self.here

    def start(self, name: str) -> Process:
        command = self.here_as(self.services[name]["command"])
        env = self.environment(name)
        self.running[name] = Process(name, command, cwd=self.folder, env=env)
        return self.running[name]

    def is_healthy(self, name: str) -> bool:
        kind, *words = self.services[name]["healthcheck"]["test"]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else self.here_as(words)
        code, _ = self.running[name].exec_run(command)
        return code == 0

    def order(self) -> str:
        address = f"http://127.0.0.1:{self.port}/"
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        page = browser.open(address, timeout=30).read().decode()
        token = re.search(r'value="(\w+)"', page)[1]  # type: ignore[index]
        order = urlencode({"csrfmiddlewaretoken": token}).encode()
        return browser.open(address, order, timeout=30).read().decode()

    def end(self) -> None:
        for process in self.running.values():
            process.remove()


@pytest.fixture
def postgresql(django_db_blocker: Any) -> Iterator[dict[str, str]]:
    """Give a new database of PostgreSQL, in the words of its own programs."""
    name = f"mailqueue_{free_port()}_{socket.gethostname().replace('-', '_')}"
    with django_db_blocker.unblock(), running("postgresql") as server:
        run_on("postgresql", server, f'CREATE DATABASE "{name}"')
        try:
            words = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
            yield {"PGDATABASE": name} | {each: server[key] for each, key in words.items()}
        finally:
            run_on("postgresql", server, f'DROP DATABASE "{name}" WITH (FORCE)')


def composed(folder: Path, over: list[str], url: str, sink: Sink, **here: str) -> Composed:
    """Make the services of a variant, with a broker and a mail server of this machine."""
    mail = {"MAILQUEUE_SMTP_HOST": "127.0.0.1", "MAILQUEUE_SMTP_PORT": str(sink.port)}
    return Composed(folder, over, {"MAILQUEUE_BROKER_URL": url, **mail, **here})


def delivers(made: Composed, sink: Sink) -> None:
    made.start("worker")
    made.start("web")
    until(lambda: made.is_healthy("web"))
    assert made.order() == "1 mail queued\n"
    sink.wait(lambda: len(sink.mails) == 1)
    assert sink.copies() == {"shop@example.com": 1}


def test_with_valkey(tmp_path: Path, default_redis_broker: Any, sink: Sink) -> None:
    made = composed(tmp_path, VARIANTS["Valkey"], default_redis_broker.url, sink)
    try:
        delivers(made, sink)
        until(lambda: made.is_healthy("worker"))
        for name in ("worker", "web"):
            made.running[name].kill()
            assert not made.is_healthy(name)
    finally:
        made.end()


@pytest.mark.rabbitmq
def test_with_rabbitmq(tmp_path: Path, rabbitmq_url: str, sink: Sink) -> None:
    with queue_on(rabbitmq_url) as queue:
        made = composed(tmp_path, VARIANTS["RabbitMQ"], rabbitmq_url, sink, MAILQUEUE_QUEUE=queue)
        try:
            delivers(made, sink)
        finally:
            made.end()


def test_with_the_ledger(
    tmp_path: Path, default_redis_broker: Any, sink: Sink, postgresql: dict[str, str]
) -> None:
    made = composed(tmp_path, VARIANTS["ledger"], default_redis_broker.url, sink, **postgresql)
    try:
        # Nothing starts before the table is there.
        assert made.start("worker").popen.wait(60) == 1
        assert "lacks the migration" in made.running["worker"].logs().decode()
        assert made.start("migrate").popen.wait(60) == 0, made.running["migrate"].logs()
        delivers(made, sink)
    finally:
        made.end()


@pytest.mark.parametrize("name", ["worker", "web"])
def test_without_a_secret_nothing_starts(tmp_path: Path, sink: Sink, name: str) -> None:
    """Compose does not start; were it to, the processes would not."""
    assert REQUIRED.search(str(services([])[name]["environment"]["MAILQUEUE_SECRET_KEY"]))
    made = composed(tmp_path, [], "redis://127.0.0.1:1/0", sink, MAILQUEUE_SECRET_KEY="")
    try:
        process = made.start(name)
        assert process.popen.wait(60) != 0
        assert "MAILQUEUE_SECRET_KEY must be" in process.logs().decode()
    finally:
        made.end()


def test_a_worker_can_stop_in_the_time_it_gets() -> None:
    """Celery's soft shutdown of `mailqueue.worker` is 60 seconds."""
    assert services([])["worker"]["stop_grace_period"] == "90s"
