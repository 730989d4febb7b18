"""A sender and a prefork worker as processes: their metrics, the trace, and nothing of the mail."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.canaries import RECIPIENT, SUBJECT, found
from tests.ledger.projects import mailers_for
from tests.procnodes import Process, free_port, worker_command
from tests.services import queue_on
from tests.waiting import until

SEND = """
import django; django.setup()
from opentelemetry import trace
from tests import canaries
import sys
for name in sys.argv[1:]:
    message = canaries.message()
    message.to = [f"{name}@example.test"]
    with trace.get_tracer("shop").start_as_current_span(name):
        message.send()
"""


class Shop:
    """The project, its worker, and what both leave for others to see."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int) -> None:
        self.folder = folder
        self.port = port
        self.environment = environment
        self.worker = Process(
            "worker",
            worker_command("mailqueue.worker", "-c", "2", "-l", "INFO", node=folder.name),
            cwd=folder,
            env=environment,
        )

    def send(self, *names: str) -> None:
        # Not the worker's folder: a sender is another machine.
        env = {**self.worker.env, "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "sender")}
        subprocess.run([sys.executable, "-c", SEND, *names], cwd=self.folder, env=env, check=True)

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as page:
            return page.read().decode()

    def samples(self) -> dict[tuple[str, ...], float]:
        """Return the values by name and labels, as ``("name", "label value", ...)``."""
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
        }

    def settled(self) -> float:
        """Return how often it was told what follows an attempt."""
        ends = ("mailqueue_sent_total", "mailqueue_dead_total", "mailqueue_deferred_total")
        return sum(value for (name, *_), value in self.samples().items() if name in ends)

    def spans(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "spans").read_text().splitlines()]


@pytest.fixture(params=["database", "broker"])
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(level: str, redis_url: str, sink, tmp_path: Path) -> Iterator[Shop]:
    kept = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "ledger.sqlite3"),
        "OPTIONS": {"timeout": 30, "init_command": "PRAGMA journal_mode = WAL"},
    }
    with queue_on(redis_url) as queue:
        port = free_port()
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.telemetry.project",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MAILQUEUE_BROKER_URL": redis_url,
            "MAILQUEUE_MAILERS": json.dumps(mailers_for(sink.port, queue=queue)),
            "MAILQUEUE_TEST_DATABASE": json.dumps(kept if level == "database" else None),
            "MAILQUEUE_TEST_SPANS": str(tmp_path / "spans"),
            "MAILQUEUE_METRICS_LISTEN": f"127.0.0.1:{port}",
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        }
        if level == "database":
            migrate = [sys.executable, "-m", "django", "migrate", "-v", "0"]
            subprocess.run(migrate, env=os.environ | environment, check=True)
        running = Shop(tmp_path, environment, port)
        try:
            yield running
        finally:
            running.worker.kill("SIGTERM")
            running.worker.popen.wait(60)
            running.worker.remove()


@pytest.mark.broker
def test_what_the_processes_count_and_follow(shop: Shop, level: str, sink) -> None:
    sink.answer("RCPT", f"550 5.1.1 <{RECIPIENT}> {SUBJECT}", to="gone@example.test")
    sink.answer("RCPT", f"451 4.7.1 <{RECIPIENT}> {SUBJECT}", to="later@example.test")
    shop.send("ann", "bo", "gone", "later")
    until(lambda: b" ready." in shop.worker.logs())
    until(lambda: shop.settled() == 4)
    counted = shop.samples()
    assert counted["mailqueue_sent_total", "default"] == 2
    assert counted["mailqueue_dead_total", "5xx", "permanent", "default", "recipient"] == 1
    assert counted["mailqueue_deferred_total", "4xx", "transient", "default", "recipient"] == 1
    assert counted["mailqueue_delivery_seconds_count", "default"] == 2
    assert counted["mailqueue_attempt_seconds_count", "default"] == 4
    assert counted["mailqueue_up",] == 1
    assert counted["mailqueue_worker_heartbeat_timestamp_seconds",] > 0
    if level == "database":
        assert counted["mailqueue_mails", "default", "dead"] == 1
        assert counted["mailqueue_mails", "default", "deferred"] == 1
        assert counted["mailqueue_oldest_seconds", "default"] > 0
    else:
        assert counted["mailqueue_tasks", "default"] == 0
    # What the sender counted is the sender's to show.
    assert not any(name == "mailqueue_queued_total" for name, *_ in counted)

    if level == "database":  # what was told is noted, so nothing is done again
        for child in psutil.Process(shop.worker.popen.pid).children():
            child.kill()
    sink.answer("RCPT", f"421 4.7.0 <{RECIPIENT}> {SUBJECT}", to="fast@example.test")
    shop.send("fast")
    until(lambda: shop.settled() == 5)
    counted = shop.samples()
    assert counted["mailqueue_sent_total", "default"] == 2  # also by processes that are gone
    assert counted["mailqueue_deferred_total", "4xx", "rate_limited", "default", "recipient"] == 1
    assert counted["mailqueue_pauses_total", "smtp"] == 1
    assert counted["mailqueue_paused_until_timestamp_seconds", "smtp"] > time.time()

    [order] = [span for span in shop.spans() if span["name"] == "ann"]
    [create] = children(order, shop)
    [process] = children(create, shop)
    assert (create["name"], process["name"]) == ("create default", "process default")
    assert process["context"]["trace_id"] == order["context"]["trace_id"]
    assert process["attributes"]["mailqueue.kind"] == "sent"
    seen = shop.page() + (shop.folder / "spans").read_text() + shop.worker.logs().decode()
    assert "@example.test" not in seen
    assert found(seen) == set()


def children(parent: dict[str, Any], shop: Shop) -> list[dict[str, Any]]:
    return [span for span in shop.spans() if span["parent_id"] == parent["context"]["span_id"]]
