"""Which Celery app carries the mail, and what an app made for mail alone looks like."""

import functools
import os
from typing import Any

from celery import Celery, current_app
from django.conf import settings

DEFAULT_BROKER_URL = "redis://127.0.0.1:6379/0"

# Redis gives a task to a second worker after this time, also while the first one works on it. A
# batch (10 mails, with a ledger 100) takes seconds, unless the mail server stalls at mail after
# mail; without a ledger the mails of such a batch go out twice.
VISIBILITY_TIMEOUT = 1800


def carrier() -> Celery:
    """Return the project's own Celery app; a project without one gets `mail_app()`.

    An app counts as the project's own when it knows a broker. Celery's "current app" is kept by
    thread, so in a web server's other threads it is often Celery's unconfigured fallback: the app
    seen when Django started is remembered for them.
    """
    return project_app() or app_at_startup() or mail_app()


@functools.cache
def app_at_startup() -> Celery | None:
    """Return the project's own app as the first caller's thread sees it (`AppConfig.ready`)."""
    return project_app()


def project_app() -> Celery | None:
    """Return the current app if it knows a broker."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    return app if app.conf.broker_url or app.conf.broker_write_url else None


@functools.cache
def mail_app() -> Celery:
    """Make the Celery app of a project that has none; `mailqueue.worker` runs it."""
    app = Celery("mailqueue", set_as_current=False)
    app.config_from_object(mail_app_settings())
    return app


def mail_app_settings() -> dict[str, Any]:
    """Return the Celery settings that delivering mail asks for, under Django's ``CELERY_...``."""
    prefix = "CELERY_"
    chosen = {
        name.removeprefix(prefix).lower(): getattr(settings, name)
        for name in dir(settings)
        if name.startswith(prefix)
    }
    url = os.environ.get("MAILQUEUE_BROKER_URL") or DEFAULT_BROKER_URL
    defaults = {
        "broker_url": url,
        "broker_transport_options": worker_transport_options(chosen.get("broker_url", url)),
        "broker_connection_retry_on_startup": True,
        # A closed channel (RabbitMQ's consumer_timeout) must not end the worker.
        "broker_channel_error_retry": True,
        "worker_prefetch_multiplier": 1,
        # A stopped worker gets the time to finish the mail in its hands (Celery 5.5).
        "worker_soft_shutdown_timeout": 60,
        "worker_enable_soft_shutdown_on_idle": True,
        "task_default_queue": "mailqueue",
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "accept_content": ["json"],
    }
    return defaults | chosen


def worker_transport_options(url: str) -> dict[str, Any]:
    """Return what a worker's connection needs so that a dead worker's mail comes back."""
    if url.startswith(("amqp", "pyamqp")):
        return {"confirm_publish": True}
    visibility = float(os.environ.get("MAILQUEUE_VISIBILITY_TIMEOUT", VISIBILITY_TIMEOUT))
    return {
        "visibility_timeout": visibility,
        # Without these two kombu looks for lost mail only every hundred seconds.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 10,
        "socket_timeout": 30,
        "socket_keepalive": True,
    }
