"""Targets that stay open between tasks: one for each mailer, in each thread of each process."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mailqueue.mail import mailers
from mailqueue.outcome.marks import opening

# A relay hangs up on an idle client sooner or later (Postfix: after 300 s).
MAX_IDLE = 60.0


class Connections(threading.local):
    """The open targets of this thread.

    Never shared with another thread, since an SMTP session is a dialogue; and forgotten after a
    fork, since its socket still belongs to the parent.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.targets: dict[str, tuple[Any, float]] = {}

    @contextmanager
    def use(self, alias: str) -> Iterator[Any]:
        """Lend the open target of a mailer; after any exception it is not used again.

        Raises `MailerDoesNotExist`, `InvalidMailer` and whatever opening the target raises.
        """
        target = self.take(alias) or self.open(alias)
        try:
            yield target
        except BaseException:
            # The reply to an interrupted command may still arrive and answer the next one.
            self.discard(target)
            raise
        self.targets[alias] = (target, time.monotonic())

    def take(self, alias: str) -> Any | None:
        """Take the kept target out, or None where there is none that is fresh."""
        if self.pid != os.getpid():
            self.__init__()  # type: ignore[misc]
        target, used_at = self.targets.pop(alias, (None, 0.0))
        if target is not None and time.monotonic() - used_at > MAX_IDLE:
            self.discard(target)
            return None
        return target

    @staticmethod
    def open(alias: str) -> Any:
        with opening():
            return Connections._open(alias)

    @staticmethod
    def _open(alias: str) -> Any:
        target = mailers[alias]
        # Opening is optional in Django's contract: a backend may offer send_messages() alone.
        if hasattr(target, "open"):
            try:
                target.open()
            except BaseException:
                Connections.discard(target)  # an SMTP backend may be half open, before AUTH
                raise
        return target

    @staticmethod
    def discard(target: Any) -> None:
        try:
            if hasattr(target, "close"):
                target.close()
        except Exception:  # noqa: BLE001, S110 (it is being thrown away; its farewell does not matter)
            pass

    def close(self) -> None:
        """Close all targets of this thread, at the end of its process."""
        while self.targets:
            self.discard(self.targets.popitem()[1][0])


connections = Connections()
