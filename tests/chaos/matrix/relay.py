"""The mail server: it notes on disk what it takes before it says that it took it."""

import dataclasses
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import AuthResult

from mailqueue.demo.sink import Mail, Sink
from tests.chaos.matrix.mails import hash_of

NUMBER = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True)
class Copy:
    """What was taken at once: a mail for some of its recipients.

    - ``place``: that in the log, which the relay's answer names.
    - ``at``: when, by the clock of `time.monotonic`.
    - ``worker``: who handed it over, as it called itself when it logged in.
    """

    place: int
    at: float
    worker: str
    number: int
    message_id: str
    recipients: tuple[str, ...]
    fingerprint: str
    names_bcc: bool


class Relay(Sink):
    """A `Sink` whose log outlives it; used as a context manager."""

    def __init__(self, log: Path) -> None:
        super().__init__(self.note, auth_require_tls=False, authenticator=self.welcome)
        self.path, self.file = log, log.open("a")
        self.workers: dict[int, str] = {}  # by the number of their connection
        self.lock = threading.Lock()

    def note(self, mail: Mail) -> None:
        with self.lock:
            copy = copy_of(mail, len(self.mails) + 1, self.workers.get(mail.connection, ""))
            self.file.write(json.dumps(dataclasses.asdict(copy)) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    def welcome(self, server: Any, session: Any, envelope: Any, how: str, who: Any) -> AuthResult:
        self.workers[server.number] = who.login.decode()
        return AuthResult(success=True)

    def taken(self) -> list[Copy]:
        """Return what the log says."""
        return [copy_from(json.loads(line)) for line in self.path.read_text().splitlines()]

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.file.close()


def copy_of(mail: Mail, place: int, worker: str) -> Copy:
    message = mail.message
    subject = str(message["Subject"])
    number = NUMBER.search(subject.rpartition(" ")[2])
    body = message.get_body()
    parts = [body, *message.iter_attachments()]
    texts = [part.get_content().rstrip() for part in parts if part]
    return Copy(
        place=place,
        at=time.monotonic(),
        worker=worker,
        number=int(number[0]) if number else -1,
        message_id=str(message["Message-ID"]),
        recipients=mail.recipients,
        fingerprint=hash_of([subject, *texts]),
        names_bcc=message["Bcc"] is not None,
    )


def copy_from(facts: dict[str, Any]) -> Copy:
    return Copy(**facts | {"recipients": tuple(facts["recipients"])})
