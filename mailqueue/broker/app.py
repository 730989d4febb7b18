"""Which Celery app carries the mail, and what an app made for mail alone looks like."""

import functools
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from celery import Celery, current_app
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mailqueue.expectations import unexpected

# Redis gives a task to a second worker after this time, also while the first one works on it. A
# batch of ten mails takes seconds, unless the mail server stalls at mail after mail; without the
# ledger the mails of such a batch go out twice.
VISIBILITY_TIMEOUT = 1800


def carrier() -> Celery:
    """Return the project's own Celery app; a project without one gets `mail_app()`.

    An app counts as the project's own when it knows a broker, or needs none because it is eager.
    Celery's "current app" is kept by thread, so in a web server's other threads it is often
    Celery's unconfigured fallback: the app seen when Django started is remembered for them.
    Raises `ImproperlyConfigured` where nothing names a broker.
    """
    return project_app() or app_at_startup() or mail_app()


@functools.cache
def app_at_startup() -> Celery | None:
    """Return the project's own app as the first caller's thread sees it (`AppConfig.ready`)."""
    return project_app()


def project_app() -> Celery | None:
    """Return the current app if it knows a broker, or runs tasks eagerly."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    return app if app in CARRIERS or carries(app) else None


# Apps that carry mail: none that knows a broker forgets it, and to look into settings is slow.
CARRIERS: WeakSet[Celery] = WeakSet()


def carries(app: Celery) -> bool:
    conf = app.conf
    if not (conf.broker_url or conf.broker_write_url):
        return bool(conf.task_always_eager)
    CARRIERS.add(app)
    return True


class MailApp(Celery):
    """The Celery app of a project that has none: it does nothing but deliver mail."""


@functools.cache
def mail_app() -> MailApp:
    """Make the `MailApp` of this process; `mailqueue.worker` runs the same one."""
    app = MailApp("mailqueue", set_as_current=False)
    app.config_from_object(mail_app_settings())
    return app


def mail_app_settings() -> dict[str, Any]:
    """Return the Celery settings that delivering mail asks for, under Django's ``CELERY_...``.

    Raises `ImproperlyConfigured` where nothing names a broker: a default would write to whatever
    answers on this machine.
    """
    prefix = "CELERY_"
    chosen = {
        name.removeprefix(prefix).lower(): getattr(settings, name)
        for name in dir(settings)
        if name.startswith(prefix)
    }
    url = os.environ.get("MAILQUEUE_BROKER_URL") or os.environ.get("CELERY_BROKER_URL")
    url = chosen.get("broker_url") or chosen.get("broker_write_url") or url
    if not url and not chosen.get("task_always_eager"):
        raise ImproperlyConfigured(
            "No broker is known. Set CELERY_BROKER_URL in Django's settings, or the environment's"
            " MAILQUEUE_BROKER_URL, or the broker_url of your own Celery app (and import that app"
            " where Django starts, as Celery's guide for Django says)."
        )
    urls = url_list(url)
    defaults = {
        "broker_url": url if isinstance(url, str) else urls,
        "broker_transport_options": worker_transport_options(urls[0] if urls else ""),
        "broker_connection_retry_on_startup": True,
        # A closed channel (RabbitMQ's consumer_timeout) must not end the worker.
        "broker_channel_error_retry": True,
        "worker_prefetch_multiplier": 1,
        # One that is to stop at once (SIGQUIT) gets the time to finish the mail in its hands.
        "worker_soft_shutdown_timeout": 60,
        "worker_enable_soft_shutdown_on_idle": True,
        "task_default_queue": "mailqueue",
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "accept_content": ["json"],
    }
    if isinstance(chosen.get("broker_url"), tuple):
        chosen["broker_url"] = urls  # Celery's worker takes a list, but no tuple
    return defaults | chosen


def url_list(urls: str | Sequence[str] | None) -> list[str]:
    """Return Celery's ``broker_url``, one text or several, as a list."""
    return urls.split(";") if isinstance(urls, str) else list(urls or ())


def worker_transport_options(url: str) -> dict[str, Any]:
    """Return what a worker's connection needs so that a dead worker's mail comes back."""
    if url.startswith(("amqp", "pyamqp")):
        return {"confirm_publish": True}
    return {
        "visibility_timeout": visibility_timeout(),
        # Without these two kombu looks for lost mail only every hundred seconds.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # Seconds that one which is killed while it looks keeps the others from it; kombu: 300.
        "unacked_mutex_expire": 10,
        "socket_connect_timeout": 10,
        "socket_timeout": 30,
        "socket_keepalive": True,
    }


def visibility_timeout() -> float:
    """Return what the environment says of Redis; `ImproperlyConfigured` if that is no number."""
    given = os.environ.get("MAILQUEUE_VISIBILITY_TIMEOUT") or VISIBILITY_TIMEOUT
    with suppress(ValueError):
        if 0 < (seconds := float(given)) < math.inf:
            return seconds
    expected = "a number of seconds above 0"
    raise ImproperlyConfigured(str(unexpected("MAILQUEUE_VISIBILITY_TIMEOUT", given, expected)))
