"""An SMTP server whose answers are the fates of the mails, and the backends that deliver to it."""

import smtplib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from mailqueue.backends.smtp import EmailBackend
from tests.simulation.clock import Clock
from tests.simulation.line import Line
from tests.simulation.plan import Fate
from tests.simulation.processes import Process
from tests.simulation.session import OK, Copy, Session

EXTENSIONS = {"plain": (), "pipelining": ("PIPELINING",), "chunking": ("PIPELINING", "CHUNKING")}


class MailServer:
    """What all connections have in common: the mood of the server, and the mails that it took."""

    def __init__(self, clock: Clock, extensions: Sequence[str], pace: float) -> None:
        self.clock, self.extensions = clock, extensions
        self.trouble = ""  # "", "down", "password", "busy" or "silent"
        self.pace = pace  # seconds to each answer
        self.healed = False
        self.fates: dict[int, Fate] = {}
        self.copies: list[Copy] = []
        self.said_no: set[tuple[int, int]] = set()  # (mail, recipient) refused for good
        self.asked: Counter[tuple[int, int]] = Counter()
        self.attempts: Counter[int] = Counter()
        self.odd: Counter[int] = Counter()  # attempts that ended with an error nobody knows
        self.strangers: list[str] = []
        self.took: Callable[[Copy], None] = lambda copy: None
        self.unanswered: Callable[[Copy, str], None] = lambda copy, why: None
        self.overheard: Callable[[int, Session], None] = lambda mail, session: None
        self.step: Callable[[str], object] = lambda name: None

    def recipient(self, mail: int, number: int) -> bytes:
        """Answer RCPT."""
        self.asked[mail, number] += 1
        wish = self.fates[mail].recipients[number]
        if wish == "never":
            self.said_no.add((mail, number))
            return b"550 5.1.1 no such mailbox"
        if wish == "later" and self.asked[mail, number] <= 2 and not self.healed:
            return b"450 4.2.0 not now"
        return OK

    def is_odd(self, mail: int) -> bool:
        """Tell whether an attempt at a mail ends with an error that nobody knows."""
        odd = self.odd[mail] < self.fates[mail].odd and not self.healed
        self.odd[mail] += odd
        return odd

    def content(self, mail: int) -> str:
        """Return what happens to a content."""
        wishes = self.fates[mail].contents
        attempt = self.attempts[mail]
        self.attempts[mail] += 1
        wish = wishes[attempt] if attempt < len(wishes) else "ok"
        return "ok" if self.healed and wish != "never" else wish


class SimulatedSMTP(smtplib.SMTP):
    """A client of the server of the present run."""

    server: MailServer

    def _get_socket(self, host: str, port: int, timeout: Any) -> Any:
        process = Process.current()
        assert process is not None
        self.server.step("before connecting to the mail server")
        if self.server.trouble == "down":
            raise ConnectionRefusedError
        return Line(Session(self.server, process), float(timeout))


class Backend(EmailBackend):
    """Ours, over that client."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return SimulatedSMTP


class Odd(Exception):  # noqa: N818 (nobody knows what it is)
    """An error of a target by somebody else."""


class DjangosBackend(smtp.EmailBackend):
    """Django's, over that client: a target by somebody else, which counts mails."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            number = int(message.subject.removeprefix("mail "))
            if SimulatedSMTP.server.is_odd(number):
                raise Odd
        return super().send_messages(email_messages)

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return SimulatedSMTP
