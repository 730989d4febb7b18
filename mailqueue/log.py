"""The log lines of mail: one for each signal of an end or a wait, and of a flood one a minute.

Each names the mail by id, mailer and Message-ID, and says why; none has addresses or content.
"""

import atexit
import functools
import logging
import os
import threading
import time
from collections import Counter, defaultdict
from contextvars import ContextVar
from typing import Any

from mailqueue import signals

# Mails of one mailer that are told one by one before the rest of a minute is counted.
FEW = 10
MINUTE = 60.0

BORN_OF_A_LOG = "log-"  # begins the id of a mail that tells of a line of ours

_speaking: ContextVar[bool] = ContextVar("mailqueue_speaking", default=False)


class Voice(logging.LoggerAdapter[logging.Logger]):
    """The logger ``mailqueue``, which knows when a handler of the project hears it.

    A handler may send mail (Django's `AdminEmailHandler`). What is logged on behalf of that mail
    is not heard again, or one line would beget mail without end.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a line, unless that is on behalf of another one."""
        if self.is_speaking():
            return
        token = _speaking.set(True)
        try:
            super().log(level, msg, *args, **{"stacklevel": 2, **kwargs})
        finally:
            _speaking.reset(token)

    @staticmethod
    def is_speaking() -> bool:
        """Tell whether this is called by a handler of one of our lines."""
        return _speaking.get()


logger = Voice(logging.getLogger("mailqueue"), {})


@functools.cache
def tell_stranger(mailer: str) -> None:
    """Say, once for each mailer in a process, that mail waits for a worker that has the mailer."""
    logger.error("Mail of mailer %r waits: MAILERS here has no such queue mailer.", mailer)


_paused: set[str] = set()


def tell_pause(mailer: str, *, paused: bool) -> None:
    """Say, once for each change in a process, that somebody has paused a mailer, or resumed it."""
    if paused == (mailer in _paused):
        return
    (_paused.add if paused else _paused.discard)(mailer)
    if paused:
        logger.warning("Mailer %r is paused: its mail waits until somebody resumes it.", mailer)
    else:
        logger.warning("Mailer %r is resumed: its mail goes again.", mailer)


def log_sent(
    *,
    mailer: str,
    id: str,  # noqa: A002 (what signals call it)
    message_id: str,
    attempts: int,
    queue_id: str | None,
    **facts: object,
) -> None:
    """Note a mail that its target accepted, and the target's name of it."""
    level = logging.DEBUG if id.startswith(BORN_OF_A_LOG) else logging.INFO
    named = f", queued there as {queue_id}" if queue_id else ""
    what = f"attempt {attempts}{named}"
    say(level, "sent", what, mailer=mailer, id=id, message_id=message_id)


def log_deferred(*, id: str, attempts: int, delay: float, **facts: Any) -> None:  # noqa: A002
    """Warn of a mail that is tried again: when, and why."""
    charged = f"attempt {attempts}, " if attempts else ""
    tell("deferred", f"{charged}next in {delay:.0f} s", origin=id, id=id, **facts)


def log_dead(*, attempts: int, **facts: Any) -> None:
    """Warn of a dead letter."""
    tell("dead letter", f"attempt {attempts}" if attempts else "", **facts)


def log_cancelled(*, mailer: str, id: str, **facts: object) -> None:  # noqa: A002
    """Note a mail that the project took back."""
    say(logging.INFO, "cancelled", mailer=mailer, id=id)


def log_paused(
    *,
    mailer: str,
    id: str,  # noqa: A002
    message_id: str,
    using: str,
    delay: float,
    reason: str,
    code: int | None,
    enhanced: str | None,
    **facts: object,
) -> None:
    """Tell of a mailer that is not tried for a while: that is nobody's mail's fault."""
    logger.error(
        "Mailer %r pauses for %.0f s: %s. Met by mail %s of mailer %r. Message-ID %s.",
        *(using, delay, because(reason, code, enhanced), id, mailer, message_id or "unknown"),
    )


def tell(state: str, what: str, *, origin: str, mailer: str, reason: str, **facts: Any) -> None:
    """Warn of a mail that has not arrived; of one that tells of another no handler sends mail."""
    if origin.startswith(BORN_OF_A_LOG):
        level = logging.DEBUG
    elif floods.is_told(state, mailer, reason):
        level = logging.WARNING
    else:
        return
    say(level, state, what, mailer=mailer, reason=reason, **facts)


def say(
    level: int,
    state: str,
    what: str = "",
    *,
    mailer: str,
    id: str,  # noqa: A002
    message_id: str = "",
    reason: str = "",
    code: int | None = None,
    enhanced: str | None = None,
    **facts: object,
) -> None:
    """Write the line of a mail: whose it is, what became of it, and why."""
    if not logger.isEnabledFor(level):
        return
    cause = because(reason, code, enhanced)
    logger.log(
        level,
        f"Mail %s %s: {state}%s%s.%s",
        id or "without id",
        of(mailer),
        f" ({what})" if what else "",
        f": {cause}" if cause else "",
        f" Message-ID {message_id}." if message_id else "",
    )


def because(reason: str, code: int | None, enhanced: str | None) -> str:
    """Return why, with the codes that a server gave for it: "451 4.7.1 refused by policy"."""
    return " ".join(str(part) for part in (code, enhanced, reason) if part)


class Floods:
    """What the lines of the present minute warn of, by state and mailer.

    The first `FEW` are told at once; the others are counted, and told when the minute is over, or
    by `flush` at the end of a process.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ends = 0.0
        self._told: Counter[tuple[str, str]] = Counter()
        self._counted: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._timer: threading.Timer | None = None

    def is_told(self, state: str, mailer: str, reason: str) -> bool:
        """Tell whether a mail has a line of its own; else it is counted."""
        with self._lock:
            if time.monotonic() >= self._ends:
                self.flush()
                self._ends = time.monotonic() + MINUTE
            self._told[state, mailer] += 1
            if self._told[state, mailer] <= FEW:
                return True
            self._counted[state, mailer][reason] += 1
            self._tell_later()
            return False

    def flush(self) -> None:
        """Tell what was counted and begin anew."""
        with self._lock:
            counted, self._counted = self._counted, defaultdict(Counter)
            self._told.clear()
            self._ends = 0.0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for (state, mailer), reasons in counted.items():
            [often] = reasons.most_common(1)
            logger.warning(
                f"%d more mails %s: {state}, %d of them: %s.",
                *(reasons.total(), of(mailer), often[1], often[0]),
            )

    def forget(self) -> None:
        """Begin anew in a forked process: the parent tells what it counted."""
        self.__init__()  # type: ignore[misc]

    def _tell_later(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(max(0.0, self._ends - time.monotonic()), self.flush)
            self._timer.daemon = True
            self._timer.start()


def of(mailer: str) -> str:
    """Say whose mail it is; what cannot be read has no mailer."""
    return f"of mailer {mailer!r}" if mailer else "of no known mailer"


floods = Floods()
os.register_at_fork(after_in_child=floods.forget)
atexit.register(floods.flush)

signals.sent.connect(log_sent)
signals.deferred.connect(log_deferred)
signals.dead.connect(log_dead)
signals.cancelled.connect(log_cancelled)
signals.paused.connect(log_paused)
