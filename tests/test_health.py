"""The health function and its view: for load balancers, monitoring and django-health-check."""

import json
import re
import socket
from pathlib import Path

import pytest
from celery import _state
from django.conf import settings as django_settings
from django.test import Client, override_settings
from django.urls import path

from mailqueue import health as rooms
from mailqueue.demo.sink import Sink
from mailqueue.health import health, view
from tests.project_app import no_app, project_app, run_task
from tests.services import queue_on
from tests.worker.project import project_settings, queued

GUIDE = Path(__file__).parents[1] / "docs/howto/diagnose.md"
urlpatterns = [
    path("mail/", view),
    path("strict/", view, {"max_dead": 0}),
]


@pytest.fixture
def bare(broker_url, queue, monkeypatch):
    """A project in which the broker alone keeps mail."""
    monkeypatch.setattr(rooms, "is_installed", lambda: False)  # the ledger
    with project_app(broker_url), Sink() as sink, project_settings(queue, sink.port):
        sink.answer("RCPT", "550 5.1.1 no such mailbox")
        yield queue


@pytest.fixture
def away(monkeypatch):
    monkeypatch.setattr(rooms, "is_installed", lambda: False)
    with project_app("redis://user:secret@127.0.0.1:1"), project_settings("mail", 1):
        yield


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["*"]
    return Client(raise_request_exception=False)


def test_a_broker_that_answers(bare):
    assert health().parts == {"broker": ""}
    assert health(max_dead=0).parts == {"broker": "", "broker_dead": ""}


def test_dead_letters_above_the_limit(bare, client):
    from django.core.mail import EmailMessage

    from mailqueue.mail import mailers

    mailers.default.send_messages([EmailMessage("s", "b", "a@x.test", ["b@x.test"])])
    run_task(queued(bare))
    assert health(max_dead=1).ok
    assert health(max_dead=0).parts["broker_dead"] == "more than 0 dead letters"
    assert client.get("/mail/").status_code == 200
    assert client.get("/strict/").status_code == 503


def test_what_the_view_says(bare, client):
    answer = client.get("/mail/")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "parts": {"broker": True}})
    assert "no-store" in answer["Cache-Control"]
    assert client.head("/mail/").status_code == 200
    assert client.post("/mail/").status_code == 405
    assert view.login_required is False  # Django's LoginRequiredMiddleware lets it pass
    assert view._non_atomic_requests  # with ATOMIC_REQUESTS Django would ask the database first


def test_strangers_learn_no_more_than_the_names_of_parts(away, client):
    answer = client.get("/mail/")
    assert answer.status_code == 503
    assert json.loads(answer.content) == {"ok": False, "parts": {"broker": False}}
    assert health().parts["broker"].startswith("cannot be asked: ")
    assert "secret" not in str(health())


def test_a_broker_that_is_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(rooms, "is_installed", lambda: False)
    monkeypatch.setattr(rooms, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        with project_app(url), project_settings("mail", 1):
            assert health().parts == {"broker": "no answer within 0 s"}


def test_a_broker_that_nothing_names(monkeypatch):
    monkeypatch.setattr(rooms, "is_installed", lambda: False)
    with no_app(), project_settings("mail", 1):
        assert "see 'manage.py check'" in health().parts["broker"]


def test_mailers_that_are_wrong(client):
    with override_settings(MAILERS={"default": {"BACKEND": "no.such.Backend"}}):
        assert list(health().parts) == ["settings"]
        assert client.get("/mail/").json()["parts"] == {"settings": False}


def test_a_project_that_queues_nothing_is_well(settings):
    settings.MAILERS = {"default": {"OPTIONS": {"host": "127.0.0.1"}}}
    assert health().ok
    assert health().parts == {}


def test_eager_mode_needs_no_broker(monkeypatch):
    monkeypatch.setattr(rooms, "is_installed", lambda: False)
    with project_app("redis://127.0.0.1:1") as app, project_settings("mail", 1):
        app.conf.task_always_eager = True
        assert health().parts == {}


def test_the_check_of_the_guide_in_django_health_check(client, monkeypatch, redis_url):
    from health_check.views import HealthCheckView

    monkeypatch.setattr(rooms, "is_installed", lambda: False)
    [shown] = [
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if "HealthCheck" in block
    ]
    names = {"__name__": __name__}
    exec(shown.partition("# urls.py")[0], names)
    page = HealthCheckView.as_view(checks=[names["QueuedMail"]])
    monkeypatch.setattr("tests.test_health.urlpatterns", [path("ht/", page)], raising=False)
    for url, status in ((redis_url, 200), ("redis://127.0.0.1:1", 500)):
        with queue_on(redis_url) as queue, project_app(url) as app, project_settings(queue, 1):
            monkeypatch.setattr(_state, "default_app", app)  # it asks on threads of its own
            answer = client.get("/ht/?format=text")
            assert answer.status_code == status, answer.content
    assert b"broker: cannot be asked" in answer.content
    assert __name__ == django_settings.ROOT_URLCONF
