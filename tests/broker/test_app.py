"""Which Celery app carries mail: the project's own, in every thread; else one made for mail."""

import threading

import pytest
from celery import Celery, _state
from django.test import override_settings

from mailqueue.broker.app import app_at_startup, carrier, mail_app, mail_app_settings


@pytest.fixture(autouse=True)
def no_celery(monkeypatch):
    """A process in which nobody has made a Celery app yet."""
    monkeypatch.setattr(_state._tls, "current_app", None)
    monkeypatch.setattr(_state, "default_app", None)
    monkeypatch.delenv("MAILQUEUE_BROKER_URL", raising=False)
    for cached in (mail_app, app_at_startup):
        cached.cache_clear()
    yield
    for cached in (mail_app, app_at_startup):
        cached.cache_clear()


def test_a_project_without_celery_gets_an_app_for_mail(monkeypatch):
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", "redis://127.0.0.1:1/0")
    app = carrier()
    assert app.main == "mailqueue"
    assert app.conf.broker_url == "redis://127.0.0.1:1/0"
    assert app.conf.worker_prefetch_multiplier == 1


def test_the_settings_of_the_project_win():
    with override_settings(
        CELERY_BROKER_URL="amqp://a.test//", CELERY_WORKER_PREFETCH_MULTIPLIER=2
    ):
        conf = mail_app().conf
        assert conf.broker_url == "amqp://a.test//"
        assert conf.worker_prefetch_multiplier == 2
        assert conf.broker_transport_options == {"confirm_publish": True}


def test_on_redis_the_mail_of_a_dead_worker_comes_back(monkeypatch):
    monkeypatch.setenv("MAILQUEUE_VISIBILITY_TIMEOUT", "120")
    options = mail_app_settings()["broker_transport_options"]
    assert options["visibility_timeout"] == 120
    assert options["unacked_restore_interval"] == options["unacked_restore_throttle"] == 1


def test_the_projects_own_app_carries_mail_in_every_thread():
    project = Celery("project", broker="redis://127.0.0.1:1/0")
    app_at_startup()  # what AppConfig.ready() does
    seen = []
    thread = threading.Thread(target=lambda: seen.append(carrier()))
    thread.start()
    thread.join()
    assert seen == [project]
    assert carrier() is project
