"""What is queued, asked when Prometheus asks; whoever cannot be asked in time is a metric, too."""

import threading
from collections.abc import Iterator, Sequence

from django.db import connections
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mailqueue.lanes import lanes
from mailqueue.ledger.clock import limited
from mailqueue.ledger.selection import is_installed
from mailqueue.log import logger
from mailqueue.operating.overview import Overview, overviews
from mailqueue.relay import any_ledger, prepare

PATIENCE = 5.0  # seconds; Prometheus waits for 10 unless told otherwise
STATES = ("queued", "sending", "deferred", "scheduled", "dead")


class Look(threading.Thread):
    """One look at all queues, on a thread of its own, so that nobody waits longer than he wants."""

    def __init__(self) -> None:
        super().__init__(name="mailqueue-metrics", daemon=True)
        self.found: Sequence[Overview] | None = None
        self.fault = f"no answer within {PATIENCE:.0f} s"

    def run(self) -> None:
        try:
            self.found = look()
        except Exception as error:  # noqa: BLE001 (that it failed is a metric)
            self.fault = type(error).__name__
        else:
            self.fault = ""
        finally:
            connections.close_all()


def look() -> list[Overview]:
    """Return what is queued; raises what broker and database raise."""
    known = lanes()
    if not known or not is_installed():
        return overviews()
    prepare()
    with limited(any_ledger(known).database, PATIENCE):
        return overviews()


class Queues(Collector):
    """The metrics of what is queued. Those who ask at the same time share a look."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.latest: Look | None = None
        self.told = ""

    def describe(self) -> Sequence[Metric]:
        """Return the metrics without samples: who registers this must not wait for a broker."""
        return metrics(None)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, after `PATIENCE` seconds at most."""
        with self.lock:
            if self.latest is None or not self.latest.is_alive():
                self.latest = Look()
                self.latest.start()
            current = self.latest
        current.join(PATIENCE)
        self.tell(current.fault)
        yield from metrics(current.found)

    def tell(self, fault: str) -> None:
        """Say why nothing is known, once while that lasts."""
        if fault and fault != self.told:
            logger.warning("What is queued cannot be counted: %s.", fault)
        self.told = fault


def metrics(found: Sequence[Overview] | None) -> list[Metric]:
    """Return what was found as metrics; None is nothing, in vain or in time."""
    up = GaugeMetricFamily("mailqueue_up", "Whether broker and database told what is queued.")
    up.add_metric([], float(found is not None))
    mails = GaugeMetricFamily("mailqueue_mails", "Mails, by state.", labels=["mailer", "state"])
    oldest = GaugeMetricFamily(
        "mailqueue_oldest_seconds",
        "Age of the oldest mail that is neither sent nor dead, 0 for none.",
        labels=["mailer"],
    )
    tasks = GaugeMetricFamily(
        "mailqueue_tasks", "Messages on the queue that no worker has taken.", labels=["mailer"]
    )
    paused = GaugeMetricFamily(
        "mailqueue_paused", "1 for a mailer that somebody has paused.", labels=["mailer"]
    )
    for each in found or ():
        paused.add_metric([each.mailer], float(each.paused is not None))
        for state in STATES:
            if (number := getattr(each, state)) is not None:
                mails.add_metric([each.mailer, state], number)
        if each.kept == "database":
            oldest.add_metric([each.mailer], each.oldest or 0.0)
        if each.tasks is not None:
            tasks.add_metric([each.mailer], each.tasks)
    return [up, mails, oldest, tasks, paused]
