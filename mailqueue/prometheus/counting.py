"""Count what happens to mail, by the signals of mailqueue; labels are names and codes of ours.

In prometheus_client's multiprocess mode each process counts in files of its own.
"""

import time

from prometheus_client import Counter, Gauge, Histogram

from mailqueue import signals

QUEUED = Counter("mailqueue_queued", "Mails that were queued.", ["mailer"])
SENT = Counter("mailqueue_sent", "Times that a target took a mail.", ["mailer"])
CANCELLED = Counter("mailqueue_cancelled", "Mails that were cancelled.", ["mailer"])

CAUSE = ["mailer", "kind", "stage", "code"]
DEFERRED = Counter("mailqueue_deferred", "Times that a mail was put off.", CAUSE)
DEAD = Counter("mailqueue_dead", "Dead letters that were made.", CAUSE)

PAUSES = Counter("mailqueue_pauses", "Pauses of a mailer that delivers, by process.", ["using"])
PAUSED_UNTIL = Gauge(
    "mailqueue_paused_until_timestamp_seconds",
    "When the latest pause of a mailer ends, or ended.",
    ["using"],
    multiprocess_mode="livemax",
)

MINUTE, HOUR, DAY = 60, 3600, 86400
DELIVERY = Histogram(
    "mailqueue_delivery_seconds",
    "From queued to taken by the target.",
    ["mailer"],
    buckets=(0.5, 1, 2, 5, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY),
)
ATTEMPT = Histogram(
    "mailqueue_attempt_seconds",
    "From the last moment before a mail goes to the answer of the target.",
    ["mailer"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE, 5 * MINUTE),
)


def connect() -> None:
    """Count from now on; once more changes nothing."""
    signals.queued.connect(count_queued)
    signals.attempted.connect(count_attempted)
    signals.sent.connect(count_sent)
    signals.deferred.connect(count_deferred)
    signals.dead.connect(count_dead)
    signals.cancelled.connect(count_cancelled)
    signals.paused.connect(count_paused)


def count_queued(*, mailer: str, **facts: object) -> None:
    QUEUED.labels(mailer).inc()


def count_attempted(*, mailer: str, seconds: float, **facts: object) -> None:
    ATTEMPT.labels(mailer).observe(seconds)


def count_sent(*, mailer: str, age: float, **facts: object) -> None:
    SENT.labels(mailer).inc()
    DELIVERY.labels(mailer).observe(age)


def count_deferred(
    *, mailer: str, kind: str, stage: str, code: int | None, **facts: object
) -> None:
    DEFERRED.labels(mailer, kind, stage, class_of(code)).inc()


def count_dead(*, mailer: str, kind: str, stage: str, code: int | None, **facts: object) -> None:
    DEAD.labels(mailer, kind, stage, class_of(code)).inc()


def count_cancelled(*, mailer: str, **facts: object) -> None:
    CANCELLED.labels(mailer).inc()


def count_paused(*, using: str, delay: float, **facts: object) -> None:
    PAUSES.labels(using).inc()
    PAUSED_UNTIL.labels(using).set(time.time() + delay)


def class_of(code: int | None) -> str:
    """Return the class of a reply code or HTTP status, "5xx"; "" for none."""
    return f"{code // 100}xx" if code is not None and 100 <= code <= 599 else ""
