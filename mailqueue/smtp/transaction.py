"""One message: its commands, and what the answers mean for each recipient. Pure."""

import smtplib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from mailqueue.outcome import codes
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.smtp.reply import OutOfStep, Reply

TOO_MANY_RECIPIENTS = frozenset({452, 552})  # RFC 5321 section 4.5.3.1.10


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a server offers, of all that this client can use."""

    pipelining: bool = False  # RFC 2920
    chunking: bool = False  # RFC 3030
    eight_bit: bool = False  # RFC 6152
    utf8: bool = False  # RFC 6531
    size: bool = False  # RFC 1870
    most_bytes: int = 0  # 0: no limit is known

    @classmethod
    def of(cls, features: Mapping[str, str]) -> Self:
        """Read them from ``smtplib.SMTP.esmtp_features``."""
        limit = features.get("size", "")
        return cls(
            pipelining="pipelining" in features,
            chunking="chunking" in features,
            eight_bit="8bitmime" in features,
            utf8="smtputf8" in features,
            size="size" in features,
            most_bytes=int(limit) if limit.isascii() and limit.isdigit() else 0,
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes over the wire for one message; `content` has CRLF line ends, and no dots added."""

    sender: str
    recipients: Sequence[str]
    content: bytes
    eight_bit: bool = False
    utf8: bool = False

    def __post_init__(self) -> None:
        for address in (self.sender, *self.recipients):
            if not (self.utf8 or address.isascii()) or not address.isprintable():
                raise ValueError("expected an address that SMTP can carry, got another one")


class Command(NamedTuple):
    """A command, and the stage of the delivery that its answer decides."""

    stage: Stage
    data: bytes
    recipient: str | None = None


class Transaction:
    """The delivery of one mail; ``outcomes`` fills up as the server answers."""

    def __init__(self, mail: Mail, offered: Extensions) -> None:
        self.sender, self.recipients = mail.sender, mail.recipients
        self.size = len(mail.content)
        self._content = mail.content  # given once, and not kept: mails may be big, and many
        self._parameters = f" SIZE={self.size}" if offered.size else ""
        if offered.eight_bit and (mail.eight_bit or mail.utf8):
            self._parameters += " BODY=8BITMIME"
        if mail.utf8:
            self._parameters += " SMTPUTF8"
        self.outcomes: dict[str, Outcome] = {}
        self.replies: dict[str, tuple[Stage, Reply]] = {}  # that the outcomes were read from
        self.accepted: list[str] = []
        self.pipelined = False  # commands go out before the answers to those before them
        self.begun = False  # the server keeps a sender, until a message ends or RSET
        self.invited = False  # the answer to DATA was 354

    @property
    def open(self) -> list[str]:
        """The recipients that have no outcome yet."""
        return [name for name in self.recipients if name not in self.outcomes]

    def opening(self) -> Iterator[Command]:
        """Give MAIL and the RCPTs."""
        mail = f"MAIL FROM:<{self.sender}>{self._parameters}\r\n"
        yield Command(Stage.SENDER, mail.encode())
        for recipient in self.recipients:
            yield Command(Stage.RECIPIENT, f"RCPT TO:<{recipient}>\r\n".encode(), recipient)

    def data(self) -> Command:
        """Ask to send the message."""
        return Command(Stage.DATA, b"DATA\r\n")

    def content(self) -> Command:
        """Give the message for DATA; an empty one if all were refused (RFC 2920 section 3.1)."""
        content, self._content = self._content if self.accepted else b"", b""
        if content.startswith(b"."):
            content = b"." + content
        content = content.replace(b"\r\n.", b"\r\n..")
        if content and not content.endswith(b"\r\n"):
            content += b"\r\n"
        return Command(Stage.ACCEPTED, content + b".\r\n")

    def chunk(self) -> Command:
        """Give the message as one BDAT (RFC 3030)."""
        content, self._content = self._content, b""
        return Command(Stage.ACCEPTED, b"BDAT %d LAST\r\n%b" % (self.size, content))

    def hear(self, command: Command, reply: Reply) -> None:
        """Take the answer to a command; raise OutOfStep for one that it cannot have."""
        stage, kind = command.stage, reply.code // 100
        if stage is Stage.ACCEPTED:
            self._hear_final(reply)
        elif reply.code == 503 and self._in_sequence(stage):
            raise OutOfStep("expected the answer to a command, got one about their order")
        elif kind >= 4:
            self._refuse(command, reply)
        elif stage is Stage.DATA and reply.code == 354:
            self.invited = True
        elif stage is Stage.DATA or kind != 2:
            raise OutOfStep(f"expected the answer to a command, got {reply.code}")
        elif stage is Stage.SENDER:
            self.begun = True
        elif command.recipient is not None and command.recipient not in self.outcomes:
            self.accepted.append(command.recipient)

    def lose(self) -> None:
        """Note that the whole message went out, and that its answer did not come."""
        lost = codes.outcome(Kind.AMBIGUOUS, Stage.ACCEPTED, "answer to the message lost")
        self.outcomes.update(dict.fromkeys(self.open, lost))

    def doubt(self) -> None:
        """Forget what was heard: an answer is missing, so it may belong to other commands.

        But 354 in its place shows that all before it were in theirs.
        """
        if self.pipelined and not self.invited:
            self.outcomes.clear()
            self.replies.clear()

    def take_back(self) -> None:
        """Doubt the answer to the whole message: it may have been to another command."""
        for name in self.accepted:
            self.outcomes.pop(name, None)
            self.replies.pop(name, None)
        self.lose()

    def reopen(self) -> None:
        """Take back "too many recipients" where others were accepted: the next mail is theirs."""
        if any(outcome.kind is Kind.SENT for outcome in self.outcomes.values()):
            for name, (stage, reply) in list(self.replies.items()):
                full = reply.code in TOO_MANY_RECIPIENTS and stage is Stage.RECIPIENT
                if full and self.outcomes[name].enhanced in (None, "4.5.3", "5.5.3"):
                    del self.outcomes[name], self.replies[name]

    def error(self) -> smtplib.SMTPException | None:
        """Return what smtplib would have raised, or None if a recipient was accepted."""
        if any(outcome.kind is Kind.SENT for outcome in self.outcomes.values()):
            return None
        for stage, reply in self.replies.values():
            if stage is Stage.SENDER:
                return smtplib.SMTPSenderRefused(reply.code, reply.text, self.sender)
            if stage in (Stage.DATA, Stage.ACCEPTED):
                return smtplib.SMTPDataError(reply.code, reply.text)
        return smtplib.SMTPRecipientsRefused(self.refused()) if self.replies else None

    def refused(self) -> dict[str, tuple[int, bytes]]:
        """Return the recipients refused by name, as smtplib does."""
        return {
            name: (reply.code, reply.text)
            for name, (stage, reply) in self.replies.items()
            if stage is Stage.RECIPIENT
        }

    def _hear_final(self, reply: Reply) -> None:
        confused = reply.code == 503 and self._in_sequence(Stage.ACCEPTED)
        self.begun = False
        if confused:
            self.doubt()
            self.lose()
        self._settle(self.accepted, Stage.ACCEPTED, reply)
        if confused or reply.code // 100 == 3:
            raise OutOfStep("expected the answer to a message, got another one")

    def _in_sequence(self, stage: Stage) -> bool:
        """Tell if a pipelined command was in its order: then 503 answers another one."""
        right = bool(self.accepted)
        if stage in (Stage.SENDER, Stage.RECIPIENT):
            right = self.begun or stage is Stage.SENDER
        return self.pipelined and right

    def _refuse(self, command: Command, reply: Reply) -> None:
        if reply.code != 421:
            names = [command.recipient] if command.recipient else self.open
            self._settle(names, command.stage, reply)
        elif command.stage is not Stage.SENDER:  # at MAIL it is not about this message
            self._settle(self.open, command.stage, reply)

    def _settle(self, names: Sequence[str], stage: Stage, reply: Reply) -> None:
        outcome = codes.read(stage, reply.code, reply.text)
        for name in names:
            if name not in self.outcomes:
                self.outcomes[name] = outcome
                self.replies[name] = stage, reply
