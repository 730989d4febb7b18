"""`manage.py mailqueue pause` and `resume` where the broker alone keeps mail, on each broker."""

import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from amqp.exceptions import NotFound
from celery import Celery
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command

from mailqueue import control, log
from mailqueue.broker import pauses
from mailqueue.broker.publish import publisher, publisher_of
from mailqueue.delivery import paused
from mailqueue.demo.sink import Sink
from mailqueue.errors import PublishError
from mailqueue.mail import mailers
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import keys_from_settings
from tests.procnodes import Process
from tests.project_app import project_app, run_task
from tests.services import queue_on
from tests.waiting import until
from tests.worker.project import dead, next_task, project_settings, queued
from tests.worker.shop import OWN_APP, SETTINGS, Project

on_redis = pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
on_rabbitmq = pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)


@pytest.fixture
def project(celery_of_project: Any, queue: str, sink: Sink, settings: Any) -> Iterator[str]:
    """A project without the ledger; its mailers "default" and "urgent" share a queue."""
    settings.INSTALLED_APPS = ["mailqueue"]
    with project_settings(queue, sink.port):
        settings.MAILERS = {**settings.MAILERS, "urgent": settings.MAILERS["default"]}
        yield queue
        for alias in ("default", "urgent"):
            control.resume(alias)


@pytest.fixture(autouse=True)
def asked_each_time(monkeypatch: Any) -> Iterator[None]:
    monkeypatch.setattr(paused, "EVERY", 0.0)
    paused.forget()
    log._paused.clear()
    yield
    paused.forget()


def send(*to: str, using: str = "default") -> None:
    messages = [EmailMessage("Hello", "body", "me@x.test", [name]) for name in to]
    assert mailers[using].send_messages(messages) == len(to)


def manage(action: str, *aliases: str) -> str:
    out = StringIO()
    call_command("mailqueue", action, *aliases, stdout=out)
    return out.getvalue()


def since(alias: str) -> str | None:
    out = StringIO()
    call_command("mailqueue", "status", as_json=True, stdout=out)
    [found] = [each for each in json.loads(out.getvalue()) if each["mailer"] == alias]
    return found["paused"]


def envelopes(argument: str) -> list[Envelope]:
    return [unpack(text, keys_from_settings()) for text in json.loads(argument)]


def test_a_pause_begins_once_and_ends_once(project):
    assert manage("pause", "default") == "default: paused\n"
    began = since("default")
    assert began is not None
    assert manage("pause", "default", "urgent") == "default: is paused already\nurgent: paused\n"
    assert since("default") == began
    assert manage("resume", "default") == "default: resumed\n"
    assert manage("resume", "default") == "default: is not paused\n"
    assert since("default") is None
    assert since("urgent") is not None


def test_a_table_shows_how_long(project):
    manage("pause", "urgent")
    out = StringIO()
    call_command("mailqueue", "status", stdout=out)
    head, default, urgent = out.getvalue().splitlines()
    assert head.split()[-1] == "paused"
    assert default.split()[-1] == "-"
    assert urgent.endswith(" s ago")


def test_nothing_of_a_pause_stays_on_the_broker(project):
    manage("pause", "default")
    manage("resume", "default")
    with publisher().producer() as producer:
        channel: Any = producer.channel
        if publisher().rabbitmq:
            name = pauses.mark("default", project).name
            with producer.connection.channel() as own, pytest.raises(NotFound):
                own.queue_declare(name, passive=True)
        else:
            assert not channel.client.exists(pauses.key(project))


@pytest.mark.parametrize("aliases", [["nobody"], ["smtp"], ["default", "nobody"]])
def test_what_is_no_queue_mailer_is_an_error_that_names_those(project, aliases):
    with pytest.raises(CommandError, match=rf"{aliases[-1]}\. Expected of default, urgent"):
        manage("pause", *aliases)
    assert since("default") is None


def test_mail_of_a_paused_mailer_goes_back_and_that_of_another_goes_out(project, sink, caplog):
    send("a@x.test", "b@x.test")
    send("urgent@x.test", using="urgent")
    batch = [*json.loads(queued(project)), *json.loads(queued(project))]
    manage("pause", "default")
    run_task(json.dumps(batch))
    run_task(json.dumps(batch[:2]))
    assert sink.copies() == {"urgent@x.test": 1}
    assert dead(project) == []
    manage("resume", "default")
    run_task(json.dumps(batch[:2]))
    assert set(sink.copies().values()) == {1}
    assert len(sink.mails) == 3
    assert [each.getMessage() for each in caplog.records if "Mailer" in each.getMessage()] == [
        "Mailer 'default' is paused: its mail waits until somebody resumes it.",
        "Mailer 'default' is resumed: its mail goes again.",
    ]


@on_redis  # RabbitMQ has it in its delay queues
def test_what_goes_back_is_one_task_uncharged_and_no_older(project, sink):
    send("a@x.test", "b@x.test")
    first = queued(project)
    manage("pause", "default")
    run_task(first)
    message = next_task(project)
    assert message.headers["eta"]
    [[again], _, _] = message.payload
    assert next_task(project) is None
    for before, after in zip(envelopes(first), envelopes(again), strict=True):
        assert after.queued_at == before.queued_at + 60
        assert (after.id, after.attempts, after.due_at) == (before.id, 0, None)
        assert after.message == before.message
    manage("resume", "default")
    run_task(again)
    assert sink.copies() == {"a@x.test": 1, "b@x.test": 1}


@on_rabbitmq
def test_whoever_asks_or_looks_changes_nothing(project):
    """Not even many of them at once, who take turns with the message."""
    manage("pause", "default")
    broker = publisher()
    began = pauses.paused_since(broker, "default", project)
    found: list[object] = []

    def look() -> None:
        for _ in range(10):
            found.append(pauses.is_paused(broker, "default", project))
            found.append(pauses.paused_since(broker, "default", project) is not None)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80
    assert pauses.paused_since(broker, "default", project) == began


@on_redis
def test_the_prefix_of_keys_is_kept(broker_url, queue, sink, settings):
    settings.INSTALLED_APPS = ["mailqueue"]
    with project_app(broker_url) as app, project_settings(queue, sink.port):
        app.conf.broker_transport_options = {"global_keyprefix": f"{queue}:"}
        manage("pause", "default")
        with publisher().producer() as producer:
            client: Any = producer.channel.client
            assert client.execute_command("EXISTS", f"{queue}:{queue}.paused")
        assert since("default") is not None
        manage("resume", "default")


@on_redis
def test_while_the_broker_is_away_the_last_answer_holds(project, celery_of_project, caplog):
    manage("pause", "default")
    lane = mailers.default.lane
    assert paused.is_paused_here(lane)
    away = Celery("away", broker="redis://127.0.0.1:1/0")
    away.set_current()
    try:
        assert paused.is_paused_here(lane)
    finally:
        publisher_of(away).close()
        celery_of_project.set_current()
    assert caplog.text.count("Nobody can be asked whether mailer 'default' is paused") == 1
    manage("resume", "default")
    assert not paused.is_paused_here(lane)


@on_redis
def test_a_broker_that_cannot_be_asked_is_told_once_and_stops_no_mail(
    project, sink, caplog, monkeypatch
):
    def away(*args: object) -> bool:
        raise PublishError("The broker is away.")

    for name in ("pause", "is_paused"):
        monkeypatch.setattr(pauses, name, away)
    with pytest.raises(CommandError, match="The broker is away") as raised:
        manage("pause", "default")
    assert raised.value.returncode == 2
    for _ in range(2):
        send("a@x.test")
        run_task(queued(project))
    assert len(sink.mails) == 2
    assert caplog.text.count("Nobody can be asked whether mailer 'default' is paused") == 1
    monkeypatch.undo()


@on_redis
def test_an_answer_holds_for_some_seconds(project, monkeypatch):
    monkeypatch.setattr(paused, "EVERY", 1000.0)
    lane = mailers.default.lane
    asked = []
    monkeypatch.setattr(paused, "is_paused", lambda *args: asked.append(args) or True)
    for _ in range(5):
        assert paused.is_paused_here(lane)
    assert asked == [("default", project)]


@pytest.mark.parametrize("broker", ["memory://", "eager"])
def test_where_no_mail_can_wait_for_long_nothing_is_paused(settings, broker):
    settings.INSTALLED_APPS = ["mailqueue"]
    with project_app("memory://") as app, project_settings("mailqueue", 1):
        app.conf.task_always_eager = broker == "eager"
        told = "task_always_eager" if broker == "eager" else "cannot keep pauses"
        with pytest.raises(CommandError, match=told):
            manage("pause", "default")
        assert not paused.is_paused_here(mailers.default.lane)


def test_a_worker_that_begins_while_a_mailer_is_paused_asks_first(tmp_path, broker_url, sink):
    """Another process has paused it, and is gone."""
    with queue_on(broker_url) as queue:
        shop = Project(tmp_path, f"shop{queue.rpartition('-')[2]}")
        text = SETTINGS.format(broker_url=broker_url, queue=queue, port=sink.port, using="smtp")
        text += "MAILERS['urgent'] = MAILERS['default']\n"
        shop.write(settings=text, celery=OWN_APP)
        script = "import django; django.setup()\nfrom mailqueue.mail import send_mail\n"
        manage_shop(shop, "pause")
        worker: Process | None = None
        try:
            shop.send(
                f"{script}send_mail('s', 'b', 'a@x.test', ['a@x.test'])\n"
                "send_mail('s', 'b', 'a@x.test', ['urgent@x.test'], using='urgent')"
            )
            worker = shop.worker("mailqueue.worker")
            sink.wait(lambda: "urgent@x.test" in sink.copies())
            assert "a@x.test" not in sink.copies()
            until(lambda: b"succeeded in" in worker.logs().partition(b"'1 sent'")[0])
            assert b"Mailer 'default' is paused" in worker.logs()
        finally:
            if worker is not None:
                worker.remove()
            manage_shop(shop, "resume")


def manage_shop(shop: Project, action: str) -> None:
    shop.send(
        "import django; django.setup()\nfrom django.core.management import call_command\n"
        f"call_command('mailqueue', '{action}', 'default')"
    )
