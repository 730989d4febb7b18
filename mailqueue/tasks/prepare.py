"""Let a worker know our queues, steps and commands, and import what it takes to deliver."""

import contextlib
from typing import Any

from celery import signals
from django.core.exceptions import ImproperlyConfigured

from mailqueue.bootsteps import answer  # noqa: F401 (it registers itself)
from mailqueue.bootsteps.queues import Queues
from mailqueue.bootsteps.relay import Relay
from mailqueue.bootsteps.screen import Screen
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import prepare_worker
from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import couriers
from mailqueue.delivery.times import lease_fault
from mailqueue.errors import PublishError
from mailqueue.lanes import lanes, queue_names
from mailqueue.ledger.connection import close_kept
from mailqueue.log import floods
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class
from mailqueue.tasks import run  # noqa: F401 (its children share it)


def prepare(worker: Any) -> None:
    """Let a worker know our queues, before it decides which to consume (``-Q``, or all).

    A worker whose MAILERS or SECRET_KEY is wrong does not start. Celery would swallow any other
    exception.
    """
    try:
        names = queue_names()
        for alias, lane in lanes().items():
            if fault := lease_fault(lane):
                raise InvalidMailer(fault, alias=alias)
            build_target(lane.options.using)
    except ImproperlyConfigured as error:
        raise SystemExit(f"mailqueue: {error}") from None
    prepare_worker(worker.app, names)
    worker.app.steps["worker"].add(Queues)
    worker.app.steps["consumer"].add(Screen)
    worker.app.steps["consumer"].add(Relay)


def build_target(alias: str) -> None:
    """Build a target of ours, which tells of wrong options; others may do much when they are."""
    if hasattr(backend_class(alias, mailers.settings[alias]), "known_options"):
        _ = mailers[alias]


@signals.worker_ready.connect
def add_dead_queues(**kwargs: Any) -> None:
    """Declare the dead letter queues, so that RabbitMQ can put its own dead letters there."""
    with contextlib.suppress(PublishError):
        publisher().declare_dead(queue_names())


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def close_connections(**kwargs: Any) -> None:
    connections.close()
    couriers.dismiss()
    close_kept()
    floods.flush()
