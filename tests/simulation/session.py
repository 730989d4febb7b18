"""What the mail server makes of what one client says."""

import dataclasses
from collections import deque
from typing import TYPE_CHECKING

from tests.letters import ADDRESS
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.mail_server import MailServer

OK = b"250 2.0.0 ok"


@dataclasses.dataclass(eq=False)
class Copy:
    """A mail that the server took, for these recipients. `begun` is when its content was announced.

    Just before that our client asks whether the mail may go.
    """

    mail: int
    recipients: tuple[int, ...]
    content: str
    begun: float  # true time
    begun_at: float  # by the clock of its worker, and when it was taken
    at: float
    process: Process
    true_at: float = 0.0
    message_id: str = ""
    fence: str = ""  # of the claim in the ledger, and when its lease ends
    until: float = float("inf")
    claimed_at: float = float("inf")
    excused: bool = False
    heard: bool = False
    stopped: bool = False  # its worker was, after it had asked whether the mail may go

    @property
    def to(self) -> str:
        return "recipient " + " and ".join(map(str, self.recipients))


class Session:
    """The commands of one client, and what the server makes of them."""

    def __init__(self, server: "MailServer", process: Process) -> None:
        self.server, self.process = server, process
        self.answers: deque[tuple[float, bytes, Copy | int | None]] = deque()
        self.data = b""
        self.mute = server.trouble == "silent"
        self.gone = False
        self.mail: int | None = None
        self.begun = self.begun_at = 0.0
        self.accepted: list[int] = []
        self.chunks = b""
        self.expects: tuple[str, int] | None = None  # ("DATA", 0) or ("BDAT", length)
        self.last = False
        self.open_copies: list[Copy] = []
        self.refused: set[int] = set()  # mails whose content was, and nobody has heard it yet
        self.answer(b"220 ready")

    def miss(self, why: str) -> None:
        """Know that the client misses the answers that it has not heard."""
        for copy in self.open_copies:
            if not copy.heard:
                self.server.unanswered(copy, why)
        for mail in self.refused:
            self.server.overheard(mail, self)

    def overhear(self, data: bytes) -> None:
        """Note the mails in what was said after the server had gone: nobody knows who heard it."""
        for mail in {int(number) for _, number in ADDRESS.findall(data.decode("latin-1"))}:
            self.server.overheard(mail, self)

    def answer(self, text: bytes, about: Copy | int | None = None) -> None:
        if not self.mute:
            self.answers.append((self.server.clock.now + self.server.pace, text + b"\r\n", about))

    def hang_up(self, why: str) -> None:
        self.gone = True
        self.miss(why)

    def listen(self, data: bytes) -> None:
        """Hear what the client says, and do what is complete of it."""
        self.data += data
        while not self.gone:
            if self.expects is None:
                line, end, rest = self.data.partition(b"\r\n")
                if not end:
                    return
                self.data = rest
                self.command(line.decode())
            elif self.expects[0] == "DATA":
                content, end, rest = (b"\r\n" + self.data).partition(b"\r\n.\r\n")
                if not end:
                    return
                self.data, self.expects = rest, None
                self.take(content)
            elif not self.has_chunk(self.expects[1]):
                return

    def has_chunk(self, length: int) -> bool:
        """Take what BDAT announced, if all of it is there."""
        if len(self.data) < length:
            return False
        self.chunks += self.data[:length]
        self.data, self.expects = self.data[length:], None
        if not self.accepted and self.mail is not None:
            self.refused.add(self.mail)
            self.answer(b"503 5.5.1 no recipients", self.mail)
        elif self.last:
            self.take(self.chunks)
        else:
            self.answer(OK)
        return True

    def command(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        known = getattr(self, f"on_{verb.lower()}", None)
        if known is None:
            self.answer(OK)
        else:
            known(rest)

    def on_ehlo(self, rest: str) -> None:
        offers = ["sim.test", "AUTH PLAIN", *self.server.extensions]
        marks = ["-"] * (len(offers) - 1) + [" "]
        lines = (f"250{mark}{each}" for mark, each in zip(marks, offers, strict=True))
        self.answer("\r\n".join(lines).encode())

    def on_auth(self, rest: str) -> None:
        wrong = self.server.trouble == "password"
        self.answer(b"535 5.7.8 no" if wrong else b"235 2.7.0 welcome")

    def on_mail(self, rest: str) -> None:
        self.reset()
        if self.server.trouble == "busy":
            self.answer(b"421 4.3.2 too busy")
            self.hang_up("the server was busy")
        else:
            self.answer(OK)

    def on_rcpt(self, rest: str) -> None:
        found = ADDRESS.search(rest)
        if found is None or (self.mail is not None and int(found[2]) != self.mail):
            self.server.strangers.append(rest)
            self.answer(b"550 5.1.1 a stranger")
            return
        number, self.mail = int(found[1]), int(found[2])
        text = self.server.recipient(self.mail, number)
        if text is OK:
            self.accepted.append(number)
        self.answer(text)

    def announced(self) -> None:
        """Note when a content was announced; of BDAT the first one counts."""
        if not self.begun:
            self.begun, self.begun_at = self.server.clock.now, self.process.own_clock.time()

    def on_data(self, rest: str) -> None:
        self.announced()
        if self.accepted:
            self.expects = "DATA", 0
        self.answer(b"354 go on" if self.accepted else b"503 5.5.1 no recipients")

    def on_bdat(self, rest: str) -> None:
        self.announced()
        length, _, last = rest.partition(" ")
        self.expects, self.last = ("BDAT", int(length)), bool(last)

    def on_rset(self, rest: str) -> None:
        self.reset()
        self.answer(OK)

    def on_quit(self, rest: str) -> None:
        self.answer(b"221 bye")
        self.gone = True

    def reset(self) -> None:
        self.mail, self.accepted, self.chunks, self.begun = None, [], b"", 0.0

    def take(self, content: bytes) -> None:
        """Take a content, or do to it what its fate is."""
        assert self.mail is not None
        fate = self.server.content(self.mail)
        if fate in ("later", "never"):
            if fate == "never":
                self.server.said_no |= {(self.mail, number) for number in self.accepted}
            no = b"451 4.3.0 not now" if fate == "later" else b"554 5.6.0 no such content"
            self.refused.add(self.mail)
            self.answer(no, self.mail)
            return self.reset()
        at = self.process.own_clock.time()
        to = tuple(self.accepted)
        text = content.decode()
        copy = Copy(self.mail, to, text, self.begun, self.begun_at, at, self.process)
        self.server.copies.append(copy)
        self.open_copies.append(copy)
        self.server.took(copy)
        if fate == "lost":
            self.hang_up("the answer was lost")
        elif fate == "silent":
            self.mute = True
            self.answers.clear()
            self.miss("no answer came")
        else:
            self.answer(OK, copy)
        return self.reset()
