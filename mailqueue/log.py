"""The log lines of mail: one for each signal, and for a flood of dead letters one a minute.

Each names the mail by id and mailer, and says why; no line has addresses or content.
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

# Dead letters of one mailer that are told one by one before the rest of a minute is counted.
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


def log_sent(*, id: str, **facts: object) -> None:  # noqa: A002 (what signals call it)
    """Note a mail that its target accepted."""
    logger.debug("Mail %s: sent.", id)


def log_deferred(*, id: str, delay: float, **facts: object) -> None:  # noqa: A002
    """Note when a mail is tried again."""
    logger.info("Mail %s: next attempt in %.0f s.", id, delay)


def log_dead(*, mailer: str, id: str, origin: str, reason: str, **facts: object) -> None:  # noqa: A002
    """Warn of a dead letter; of one that was to tell of another no handler is to send mail."""
    if origin.startswith(BORN_OF_A_LOG):
        logger.info("Mail %s: dead letter %s, %s.", id, of(mailer), reason)
    else:
        floods.note(mailer, id, reason)


def log_cancelled(*, id: str, **facts: object) -> None:  # noqa: A002
    """Note a mail that the project took back."""
    logger.info("Mail %s: cancelled.", id)


class Floods:
    """The dead letters of the present minute, by mailer.

    The first `FEW` of a mailer are told at once; the others are counted, and told when the
    minute is over, or by `flush` at the end of a process.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ends = 0.0
        self._told: Counter[str] = Counter()
        self._counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._timer: threading.Timer | None = None

    def note(self, mailer: str, id: str, reason: str) -> None:  # noqa: A002
        """Tell or count one dead letter."""
        with self._lock:
            if time.monotonic() >= self._ends:
                self.flush()
                self._ends = time.monotonic() + MINUTE
            self._told[mailer] += 1
            if self._told[mailer] > FEW:
                self._counted[mailer][reason] += 1
                self._tell_later()
                return
        logger.warning("Mail %s: dead letter %s, %s.", id or "without id", of(mailer), reason)

    def flush(self) -> None:
        """Tell what was counted and begin anew."""
        with self._lock:
            counted, self._counted = self._counted, defaultdict(Counter)
            self._told.clear()
            self._ends = 0.0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for mailer, reasons in counted.items():
            number, often = reasons.total(), reasons.most_common(1)[0]
            logger.warning(
                "%d more dead letters %s, %d of them: %s.",
                *(number, of(mailer), often[1], often[0]),
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
