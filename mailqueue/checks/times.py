"""Checks of times that must fit each other."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from mailqueue.broker.support import visibility_timeout
from mailqueue.delivery.times import lease_fault, visibility_fault
from mailqueue.lanes import Lane, lanes

LATER = "else another worker sends a mail again while the first one still does."


def check_lease(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find leases that end while a mail may still be on its way."""
    return [
        Error(
            f"MAILERS[{alias!r}]: {fault}.",
            hint=f"Write a longer 'lease', or a shorter 'deadline' for the target; {LATER}",
            id="mailqueue.E005",
        )
        for alias, lane in known_lanes().items()
        if (fault := lease_fault(lane))
    ]


def check_visibility(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find a Redis that gives away a task while its mail may still be on its way."""
    seconds = visibility_timeout()
    return [
        CheckWarning(
            f"MAILERS[{alias!r}]: {fault}.",
            hint="Write a longer one in CELERY_BROKER_TRANSPORT_OPTIONS, MAILQUEUE_VISIBILITY_"
            f"TIMEOUT or your Celery app; {LATER}",
            id="mailqueue.W007",
        )
        for alias, lane in known_lanes().items()
        if seconds is not None and (fault := visibility_fault(lane, seconds))
    ]


def known_lanes() -> Mapping[str, Lane]:
    """Return the lanes; none if any is wrong, which `check_options` tells."""
    try:
        return lanes()
    except ImproperlyConfigured:
        return {}
