"""What is counted in one process, what is asked, and what is shown where."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from celery.concurrency.prefork import TaskPool
from celery.concurrency.solo import TaskPool as SoloPool
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.test import RequestFactory
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from mailqueue import signals
from mailqueue.errors import PublishError
from mailqueue.mail import mailers
from mailqueue.operating.overview import Overview
from mailqueue.prometheus import counting, exposing, queues
from mailqueue.prometheus.apps import PrometheusConfig
from mailqueue.prometheus.counting import connect
from mailqueue.prometheus.exposing import FOLDER, LISTEN, begin, expose, heartbeat
from mailqueue.prometheus.queues import Queues, look
from mailqueue.prometheus.views import metrics
from tests.procnodes import free_port
from tests.project_app import project_app, run_task
from tests.worker.project import project_settings, queued

PAGE = (Path(__file__).parents[2] / "docs/howto/monitor.md").read_text()


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count as a process does that has the app."""
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.delenv(LISTEN, raising=False)
    monkeypatch.setattr(queues, "look", list)
    begin()
    yield
    heartbeat.at = None


class Difference:
    """The metrics of this process since it was made."""

    def __init__(self) -> None:
        self.before = self.samples()

    def samples(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
        }

    def __getitem__(self, key: tuple[str, ...]) -> float:
        return self.samples().get(key, 0.0) - self.before.get(key, 0.0)


@pytest.mark.broker
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
def test_each_end_of_a_mail_is_counted(broker_url: str, queue: str, sink) -> None:
    sink.answer("RCPT", "550 5.1.1 unknown", to="gone@example.test")
    sink.answer("RCPT", "451 4.7.1 later", to="later@example.test")
    with project_app(broker_url), project_settings(queue, sink.port, retry={"schedule": [60]}):
        counted = Difference()
        recipients = ["a@example.test", "gone@example.test", "later@example.test"]
        mailers.default.send_messages([EmailMessage("Hello", "", "me@example.test", recipients)])
        assert samples_of(look())["mailqueue_tasks", "default"] == 1
        run_task(queued(queue))
        assert samples_of(look())["mailqueue_mails", "default", "dead"] == 1
        run_task('["garbage"]')
    assert counted["mailqueue_queued_total", "default"] == 1
    assert counted["mailqueue_sent_total", "default"] == 1
    assert counted["mailqueue_delivery_seconds_count", "default"] == 1
    assert counted["mailqueue_attempt_seconds_count", "default"] == 1
    deferred = ("mailqueue_deferred_total", "default", "transient", "recipient", "4xx")
    assert counted[deferred] == 1
    assert counted["mailqueue_dead_total", "default", "permanent", "recipient", "5xx"] == 1
    assert counted["mailqueue_dead_total", "", "", "", ""] == 1


def test_pauses_and_cancelled_mail_are_counted() -> None:
    counted = Difference()
    who = {"mailer": "default", "id": "7"}
    signals.tell(signals.cancelled, **who)
    facts = {"using": "smtp", "delay": 30.0, "reason": "", "code": 535, "enhanced": None}
    signals.tell(signals.paused, **who, message_id="", **facts)
    assert counted["mailqueue_cancelled_total", "default"] == 1
    assert counted["mailqueue_pauses_total", "smtp"] == 1
    until = counted.samples()["mailqueue_paused_until_timestamp_seconds", "smtp"]
    assert 20 < until - time.time() <= 30


def test_to_begin_twice_counts_once() -> None:
    connect()
    begin()
    counted = Difference()
    signals.tell(signals.cancelled, mailer="default", id="7")
    assert counted["mailqueue_cancelled_total", "default"] == 1


def samples_of(found: list[Overview]) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *each.labels.values()): each.value
        for family in queues.metrics(found)
        for each in family.samples
    }


def page_of(collector: Queues) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def test_who_cannot_be_asked_is_a_metric(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> list[Overview]:
        raise PublishError("away")

    asked = Queues()
    monkeypatch.setattr(queues, "look", away)
    for _ in range(3):
        assert "mailqueue_up 0.0" in page_of(asked)
    assert caplog.text.count("What is queued cannot be counted: PublishError.") == 1
    monkeypatch.setattr(queues, "look", list)
    assert "mailqueue_up 1.0" in page_of(asked)


def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    looks = []

    def hang() -> list[Overview]:
        looks.append(1)
        answered.wait(60)
        return []

    asked = Queues()
    monkeypatch.setattr(queues, "look", hang)
    monkeypatch.setattr(queues, "PATIENCE", 0.1)
    assert "mailqueue_up 0.0" in page_of(asked)
    assert "mailqueue_up 0.0" in page_of(asked)
    assert len(looks) == 1  # however often it is asked
    monkeypatch.setattr(queues, "PATIENCE", 60)
    answered.set()
    assert "mailqueue_up 1.0" in page_of(asked)


def test_to_register_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "Look", None)
    CollectorRegistry(auto_describe=True).register(Queues())


def test_a_level_shows_what_it_knows() -> None:
    kept = {"using": "smtp", "queue": "q"}
    found = [
        Overview(mailer="a", kept="database", queued=1, sending=0, dead=2, oldest=None, **kept),
        Overview(mailer="b", kept="broker", dead=3, tasks=4, paused=datetime.now(UTC), **kept),
    ]
    assert samples_of(found) == {
        ("mailqueue_up",): 1,
        ("mailqueue_mails", "a", "queued"): 1,
        ("mailqueue_mails", "a", "sending"): 0,
        ("mailqueue_mails", "a", "dead"): 2,
        ("mailqueue_mails", "b", "dead"): 3,
        ("mailqueue_oldest_seconds", "a"): 0,
        ("mailqueue_paused", "a"): 0,
        ("mailqueue_paused", "b"): 1,
        ("mailqueue_tasks", "b"): 4,
    }


def test_the_view() -> None:
    ask = RequestFactory()
    found = metrics(ask.get("/metrics", headers={"Accept": "application/openmetrics-text"}))
    assert found.headers["Content-Type"].startswith("application/openmetrics-text")
    assert b"mailqueue_up 1.0" in found.content
    assert metrics(ask.get("/metrics")).headers["Content-Type"].startswith("text/plain")
    assert metrics(ask.post("/metrics")).status_code == 405


def worker(pool: object) -> SimpleNamespace:
    return SimpleNamespace(pool=pool)


def test_a_prefork_worker_without_a_folder_shows_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv(LISTEN, f"127.0.0.1:{port}")
    expose(worker(TaskPool(1)))
    assert f"No metrics on 127.0.0.1:{port}" in caplog.text
    assert FOLDER in caplog.text
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}")


def test_a_worker_of_one_process_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = CollectorRegistry()
    monkeypatch.setattr(exposing, "REGISTRY", shown)
    servers = []

    def start(*args: object) -> None:
        servers.append(start_http_server(*args))

    start_http_server = exposing.start_http_server
    monkeypatch.setattr(exposing, "start_http_server", start)
    port = free_port()
    monkeypatch.setenv(LISTEN, f"[::1]:{port}" if has_ipv6() else f"127.0.0.1:{port}")
    expose(worker(SoloPool(1)))
    heartbeat.beat()
    [(server, thread)] = servers
    try:
        host = "[::1]" if has_ipv6() else "127.0.0.1"
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=30) as page:
            assert b"mailqueue_worker_heartbeat_timestamp_seconds" in page.read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def has_ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()


@pytest.mark.parametrize(
    "listen", ["9808", ":9808", "localhost:", "a:b", "a:0", "a:65536", "a:-1", "a:²"]
)
def test_what_is_no_address_is_told(
    listen: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(LISTEN, listen)
    expose(worker(SoloPool(1)))
    assert f"{LISTEN}' must be an address and a port" in caplog.text
    assert repr(listen) in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_a_port_that_is_not_to_be_had_is_told(
    host: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exposing, "REGISTRY", CollectorRegistry())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv(LISTEN, f"{host}:{taken.getsockname()[1]}")
        expose(worker(SoloPool(1)))
    assert f"No metrics on {host}" in caplog.text


def test_a_folder_that_cannot_be_used_is_told_and_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER, str(tmp_path / "file"))
    connected: list[int] = []
    monkeypatch.setattr(exposing, "connect", lambda: connected.append(1))
    begin.__wrapped__()
    assert f"Mail is not counted: {FOLDER}" in caplog.text
    assert connected == []


def test_what_is_true_of_a_process_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("gauge_livemax_7.db", "gauge_livemax_8.db", "counter_7.db"):
        (tmp_path / name).touch()
    exposing.forget_process(pid=7)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    exposing.forget_process(pid=7)
    assert {each.name for each in tmp_path.iterdir()} == {"gauge_livemax_8.db", "counter_7.db"}


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mailqueue.prometheus.exp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    app = PrometheusConfig("mailqueue.prometheus", sys.modules["mailqueue.prometheus"])
    with pytest.raises(ImproperlyConfigured, match=r"mailqueue\[prometheus\]"):
        app.ready()


def shown() -> dict[str, list[str]]:
    """Return the metrics that there are, by the name in the table, with their labels."""
    heartbeat.beat()
    made = [*queues.metrics(None), *heartbeat.collect()]
    families = {each.name: list(getattr(each, "_labelnames", ())) for each in made}
    for each in vars(counting).values():
        if hasattr(each, "_labelnames"):
            name = each._name + ("_total" if each._type == "counter" else "")
            families[name] = list(each._labelnames)
    return families


def test_the_table_has_all_metrics() -> None:
    rows = re.findall(r"^\| `(mailqueue_\w+)` \| ([^|]*)\|", PAGE, re.MULTILINE)
    assert {name: re.findall(r"`(\w+)`", labels) for name, labels in rows} == shown()


def test_the_alerts_name_metrics_that_there_are() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    [group] = yaml.safe_load(text)["groups"]
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "keep_firing_for", "annotations"}
        used = re.findall(r"\bmailqueue_\w+", rule["expr"])
        assert used
        assert set(used) <= set(shown())
        for name in used:
            labels = set(re.findall(r"by \((\w+)\)", rule["expr"]))
            assert labels <= set(shown()[name])
    assert len(group["rules"]) > 5


@pytest.mark.parametrize(("listen", "counts"), [("127.0.0.1:9808", True), ("", False)])
def test_the_worker_without_a_project_counts_where_it_shall_show_it(
    listen: str, counts: bool
) -> None:
    environment = os.environ | {LISTEN: listen, "MAILQUEUE_SECRET_KEY": "only for tests"}
    command = [sys.executable, "-c", "from worker.settings import *; print(*INSTALLED_APPS)"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert ("mailqueue.prometheus" in done.stdout.split()) == counts
