"""The Celery app of a project, for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, _state

from mailqueue import tasks
from mailqueue.broker import ringer
from mailqueue.broker.app import app_at_startup, mail_app
from mailqueue.broker.publish import publisher_of
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import breakers
from mailqueue.opaque import Opaque


@contextmanager
def project_app(broker_url: str) -> Iterator[Celery]:
    """Make an app the current one; afterwards close what it, and the targets, have open."""
    app = Celery("project", broker=broker_url)
    app.set_current()
    yield app
    ringer.flush()  # a ring through an app that is closed fails, and the next tests' would be kept
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()
    connections.close()
    breakers.clear()


@contextmanager
def no_app() -> Iterator[None]:
    """Be a process in which nobody has made a Celery app yet."""
    seen: Any = _state._tls
    kept = seen.current_app, _state.default_app
    seen.current_app = _state.default_app = None
    forget()
    try:
        yield
    finally:
        seen.current_app, _state.default_app = kept
        forget()


def forget() -> None:
    for cached in (mail_app, app_at_startup):
        cached.cache_clear()


def run_task(argument: str) -> None:
    """Run the task of mail as a worker does that got this argument."""
    tasks.deliver(Opaque(argument))
