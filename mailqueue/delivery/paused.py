"""Whether a mailer is paused, as far as this worker process knows, for mail of the broker alone.

It asks now and then, and waits for no answer for long: who cannot be asked must not keep mail
waiting. The ledger needs none of this: it looks with each claim.
"""

import os
import threading
import time
from contextlib import suppress

from django.db import close_old_connections, connections

from mailqueue.broker import eager
from mailqueue.lanes import Lane
from mailqueue.ledger.clock import leave_pool
from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.table import table_database
from mailqueue.log import logger, tell_pause
from mailqueue.pauses import is_paused

EVERY = 5.0  # seconds for which an answer holds
PATIENCE = 2.0  # seconds that mail waits for an answer
HANGS = 60.0  # seconds until a question is asked again that has no answer yet
MOST = 3  # questions that may hang; each has a thread and, perhaps, a connection


class Answer:
    """The last answer of one mailer; until there is one it is not paused."""

    def __init__(self, mailer: str, queue: str) -> None:
        self.mailer = mailer
        self.queue = queue
        self.paused = False
        self.failed = False
        self.asked = float("-inf")
        self.questions: list[threading.Thread] = []
        self.lock = threading.Lock()

    def now(self) -> bool:
        """Return it, after asking anew if it is old."""
        with self.lock:
            self.begin()
            asking = self.questions[-1:]
        for question in asking:
            question.join(max(0.0, self.asked + PATIENCE - time.monotonic()))
        return self.paused

    def begin(self) -> None:
        """Ask, or begin to on a thread that may hang, if it is time for that."""
        self.questions = [each for each in self.questions if each.is_alive()]
        age = time.monotonic() - self.asked
        if age < (HANGS if self.questions else EVERY) or len(self.questions) >= MOST:
            return
        self.asked = time.monotonic()
        if not may_hang():
            self.ask()
            return
        question = threading.Thread(target=self.ask_apart, name="mailqueue-paused", daemon=True)
        question.start()
        self.questions.append(question)

    def ask_apart(self) -> None:
        """Ask on a thread of its own, and leave no connection to the database behind."""
        try:
            leave_pool(table_database())
            self.ask()
        finally:
            connections.close_all()

    def ask(self) -> None:
        """Ask once; the last answer holds where that fails."""
        try:
            self.paused = is_paused(self.mailer, self.queue)
        except Exception as error:  # noqa: BLE001 (whatever it is, mail must go on)
            with suppress(Exception):  # of a database that cannot be asked for that either
                close_old_connections()  # else one that is broken is asked for ever
            told, self.failed = self.failed, True
            if not told:
                tell_unknown(self.mailer, type(error).__name__, paused=self.paused)
        else:
            self.failed = False
            tell_pause(self.mailer, paused=self.paused)
        self.asked = time.monotonic()  # to fail may have taken long


def may_hang() -> bool:
    """Tell whether who is asked may be silent for long: a broker that is has its timeouts."""
    return is_installed() and connections[table_database()].vendor != "sqlite"


def tell_unknown(mailer: str, defect: str, *, paused: bool) -> None:
    logger.warning(
        "Nobody can be asked whether mailer %r is paused: %s. Until then it %s.",
        *(mailer, defect, "is" if paused else "is not"),
    )


_answers: dict[tuple[str, str], Answer] = {}


def is_paused_here(lane: Lane) -> bool:
    """Tell whether a mailer is paused, as of some seconds ago.

    In eager mode it is not: there mail has nowhere to wait.
    """
    if eager.attempt.get() is not None:
        return False
    asked = lane.mailer, lane.options.queue
    return _answers.setdefault(asked, Answer(*asked)).now()


def forget() -> None:
    """Begin anew, as a process does that has asked nobody yet."""
    _answers.clear()


# A forked child has none of its parent's threads, and may have a lock that one of them held.
os.register_at_fork(after_in_child=forget)
