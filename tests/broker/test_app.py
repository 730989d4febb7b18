"""Which Celery app carries mail: the project's own, in every thread; else one made for mail."""

import threading

import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from mailqueue.broker.app import (
    app_at_startup,
    carrier,
    mail_app,
    mail_app_settings,
    url_list,
)
from mailqueue.broker.publish import publish
from mailqueue.errors import PublishError
from tests.project_app import no_app


@pytest.fixture(autouse=True)
def no_celery(monkeypatch):
    monkeypatch.delenv("MAILQUEUE_BROKER_URL", raising=False)
    with no_app():
        yield


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
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("MAILQUEUE_VISIBILITY_TIMEOUT", "120")
    options = mail_app_settings()["broker_transport_options"]
    assert options["visibility_timeout"] == 120
    assert options["unacked_restore_interval"] == options["unacked_restore_throttle"] == 1
    assert options["unacked_mutex_expire"] == 10


REDIS, RABBITMQ = "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"


@pytest.mark.parametrize(
    "urls", [[RABBITMQ, REDIS], (RABBITMQ, REDIS), f"{RABBITMQ};{REDIS}"], ids=type
)
def test_of_several_brokers_the_first_says_what_a_connection_needs(urls):
    with override_settings(CELERY_BROKER_URL=urls):
        conf = mail_app().conf
    assert conf.broker_transport_options == {"confirm_publish": True}
    assert list(url_list(conf.broker_url)) == [RABBITMQ, REDIS]
    assert not isinstance(conf.broker_url, tuple)
    connection = mail_app().connection_for_write()
    assert (connection.port, connection.alt) == (1, [RABBITMQ, REDIS])


def test_a_process_that_knows_no_broker_is_told_what_to_set(monkeypatch):
    with pytest.raises(ImproperlyConfigured) as raised:
        carrier()
    assert "CELERY_BROKER_URL" in str(raised.value)
    assert "MAILQUEUE_BROKER_URL" in str(raised.value)


def test_mail_that_finds_no_broker_is_an_error_of_publishing():
    """What the ledger keeps shall stay kept."""
    with pytest.raises(PublishError, match="No broker is known"):
        publish(["x"], queue="mailqueue")


def test_a_broker_url_of_no_known_kind_is_an_error_of_publishing(monkeypatch):
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", "carrier-pigeon://roof")
    with pytest.raises(PublishError, match="broker URL cannot be used"):
        publish(["x"], queue="mailqueue")


def test_eager_mode_needs_no_broker():
    with override_settings(CELERY_TASK_ALWAYS_EAGER=True):
        assert carrier().conf.task_always_eager


def test_the_projects_own_app_carries_mail_in_every_thread():
    project = Celery("project", broker="redis://127.0.0.1:1/0")
    app_at_startup()  # what AppConfig.ready() does
    seen = []
    thread = threading.Thread(target=lambda: seen.append(carrier()))
    thread.start()
    thread.join()
    assert seen == [project]
    assert carrier() is project
