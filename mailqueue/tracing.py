"""Which trace does a mail belong to?

Nobody follows mail, and none belongs to any, unless `mailqueue.opentelemetry` is installed.
"""

import functools
from typing import Protocol

from mailqueue.log import logger
from mailqueue.wire.envelope import TRACEPARENT


class Follower(Protocol):
    """Notes that a mail was made, since ``began_at`` (Unix time); returns its `traceparent`."""

    def __call__(self, *, mailer: str, id: str, began_at: float) -> str | None: ...  # noqa: A002


follower: Follower | None = None


def follow(by: Follower | None) -> None:
    """Have each mail that is queued from now on noted by somebody, or by nobody."""
    global follower
    follower = by


def traceparent_of(*, mailer: str, id: str, began_at: float) -> str | None:  # noqa: A002
    """Return the W3C `traceparent` of a mail that was made just now, None if nobody follows it.

    What a tracer raises is told once; the mail goes without a trace.
    """
    if follower is None:
        return None
    try:
        found = follower(mailer=mailer, id=id, began_at=began_at)
    except Exception as error:  # noqa: BLE001 (whatever processors and samplers of a project raise)
        tell_fault(type(error).__name__)
        return None
    # No worker would read another one.
    return found if found and TRACEPARENT.fullmatch(found) else None


@functools.cache
def tell_fault(defect: str) -> None:
    """Say once what keeps mail from being followed."""
    logger.error("Mail is queued without a trace: %s.", defect)
