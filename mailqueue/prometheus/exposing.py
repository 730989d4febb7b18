"""What a process shows to Prometheus; a worker does so on a port, where the environment names one.

The processes of a prefork worker count each for itself. In prometheus_client's multiprocess mode
(PROMETHEUS_MULTIPROC_DIR) its main process adds that up; without it the worker shows nothing.
"""

import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import signals
from celery.concurrency.prefork import TaskPool
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from mailqueue.expectations import unexpected
from mailqueue.log import logger
from mailqueue.prometheus.counting import connect
from mailqueue.prometheus.queues import Queues

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
LISTEN = "MAILQUEUE_METRICS_LISTEN"


@functools.cache
def begin() -> None:
    """Count in this process, and in those that are forked from it; a worker shows it."""
    if folder := os.environ.get(FOLDER):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            logger.error("Mail is not counted: %s: %s.", FOLDER, type(error).__name__)
            return
    connect()
    REGISTRY.register(queues)
    signals.worker_ready.connect(expose)
    signals.heartbeat_sent.connect(heartbeat.beat)
    signals.worker_process_shutdown.connect(forget_process)


def registry() -> CollectorRegistry:
    """Return all metrics of this process, or those of all processes that share the folder."""
    if not os.environ.get(FOLDER):
        return REGISTRY
    made = CollectorRegistry()
    MultiProcessCollector(made)  # type: ignore[no-untyped-call]
    made.register(queues)
    return made


def expose(sender: Any, **kwargs: object) -> None:
    """Listen, if this worker shall and can; what keeps it from that is told, and ends nothing."""
    if not (listen := os.environ.get(LISTEN)):
        return
    if isinstance(sender.pool, TaskPool) and not os.environ.get(FOLDER):
        logger.error(
            "No metrics on %s: the processes of a prefork worker count each for itself. Let %s "
            "name a folder of this worker alone, in the environment that it starts with.",
            *(listen, FOLDER),
        )
        return
    try:
        host, port = address(listen)
        shown = registry()
        shown.register(heartbeat)
        start_http_server(port, host, shown)
    except ValueError as error:
        logger.error("No metrics are shown: %s.", error)
    except OSError as error:
        logger.error("No metrics on %s: %s.", listen, error.strerror or type(error).__name__)


def address(text: str) -> tuple[str, int]:
    """Return host and port; ValueError for what is not both."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise unexpected(LISTEN, text, "an address and a port such as '127.0.0.1:9808'")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Heartbeat(Collector):
    """When this worker last told the broker that it lives, which it does every two seconds."""

    def __init__(self) -> None:
        self.at: float | None = None

    def beat(self, **kwargs: object) -> None:
        """Note a heartbeat of Celery's."""
        self.at = time.time()

    def collect(self) -> Iterator[Metric]:
        """Yield the metric, once there was a heartbeat."""
        if self.at is not None:
            name = "mailqueue_worker_heartbeat_timestamp_seconds"
            yield GaugeMetricFamily(name, "When the worker last sent a heartbeat.", value=self.at)


def forget_process(pid: int, **kwargs: object) -> None:
    """Forget what is true of a process only while it runs: that its mailers pause."""
    if os.environ.get(FOLDER):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


queues = Queues()
heartbeat = Heartbeat()
