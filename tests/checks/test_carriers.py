"""Checks of the broker that carries mail."""

import pytest
from celery import Celery

from mailqueue.broker.app import app_at_startup
from tests.checks.mailers import QUEUE, queue, smtp

MAILERS = {"default": queue("smtp"), "smtp": smtp()}


def uses(monkeypatch, url):
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:canary@h/0",
        "rediss://h/0",
        "redis+socket:///run/redis.sock",
        "sentinel://a:26379;sentinel://b:26379",
        "amqp://h//",
        "amqps://h//",
        "pyamqp://h//",
    ],
)
def test_a_broker_that_carries_mail(found, monkeypatch, url):
    uses(monkeypatch, url)
    assert found(MAILERS, deploy=True) == []


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("sqs://key:canary@", "sqs"),
        ("memory://", "memory"),
        ("filesystem://", "filesystem"),
        ("valkey://:canary@h/0", "valkey"),
        ("redis://h/0;memory://", "memory"),
    ],
)
def test_a_broker_that_carries_none(messages, monkeypatch, url, scheme):
    uses(monkeypatch, url)
    [error] = messages(MAILERS)
    assert error.id == "mailqueue.E009"
    assert error.msg.startswith("broker_url must begin with redis, ")
    assert error.msg.endswith(f", got '{scheme}'")
    assert "canary" not in str(error)
    assert '"redis://..." for Redis and Valkey' in error.hint


def test_an_app_without_a_broker(messages, monkeypatch):
    """Celery itself would take ``amqp://guest@localhost``."""
    monkeypatch.delenv("MAILQUEUE_BROKER_URL")
    Celery("project").set_current()
    app_at_startup.cache_clear()
    [warning] = messages(MAILERS)
    assert warning.id == "mailqueue.W005"
    assert warning.msg.startswith("No broker is known. Set CELERY_BROKER_URL")
    assert 'CELERY_BROKER_URL = "redis://..."' in warning.hint


def test_without_a_queue_no_broker_is_needed(found, monkeypatch):
    monkeypatch.delenv("MAILQUEUE_BROKER_URL")
    assert found({"default": smtp()}) == []


def test_eager_mode_is_for_development(messages, settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True
    assert messages(MAILERS) == []
    [warning] = messages(MAILERS, deploy=True)
    assert warning.id == "mailqueue.W006"
    assert warning.msg.startswith("task_always_eager must be False to queue mail, got True")


def test_eager_mode_needs_no_broker(found, settings, monkeypatch):
    monkeypatch.delenv("MAILQUEUE_BROKER_URL")
    settings.CELERY_TASK_ALWAYS_EAGER = True
    assert found(MAILERS) == []


def test_redis_that_gives_a_task_away_too_early(messages, monkeypatch):
    uses(monkeypatch, "redis://h/0")
    monkeypatch.setenv("MAILQUEUE_VISIBILITY_TIMEOUT", "250")
    [warning] = messages(MAILERS)
    assert warning.id == "mailqueue.W007"
    start = "MAILERS['default']: 'visibility_timeout' of the broker must be a number of seconds"
    assert warning.msg.startswith(f"{start} above 260, which one mail may take through 'smtp' ")
    assert warning.msg.endswith(", got 250.")


@pytest.mark.parametrize("options", [{}, {"visibility_timeout": 5}])
def test_of_a_project_kombus_own_time_counts_where_it_sets_none(found, settings, options):
    settings.CELERY_BROKER_URL = "redis://h/0"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
    assert found(MAILERS) == ([("mailqueue.W007", "default")] if options else [])


def test_a_ring_may_come_twice(found, settings):
    settings.CELERY_BROKER_URL = "redis://h/0"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 5}
    with_ledger = {"BACKEND": QUEUE, "OPTIONS": {"using": "smtp"}}
    assert found({"default": with_ledger, "smtp": smtp()}) == []


def test_a_time_that_is_no_number(messages, monkeypatch):
    uses(monkeypatch, "redis://h/0")
    monkeypatch.setenv("MAILQUEUE_VISIBILITY_TIMEOUT", "1h")
    [warning] = messages(MAILERS)
    assert warning.id == "mailqueue.W005"
    assert warning.msg == (
        "'MAILQUEUE_VISIBILITY_TIMEOUT' must be a number of seconds above 0, got '1h'"
    )
