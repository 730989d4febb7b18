"""One message: its commands, and what the answers mean for each recipient. Pure."""

import smtplib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mailqueue.outcome import codes
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.smtp.extensions import Extensions as Extensions
from mailqueue.smtp.reply import OutOfStep, Reply

TOO_MANY_RECIPIENTS = frozenset({452, 552})  # RFC 5321 section 4.5.3.1.10
UNKNOWN = frozenset({500, 502})  # answers to a command that is not known
NOT_THERE = UNKNOWN | {501, 503, 504, 555}  # and to one that is not there although it is offered


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes over the wire for one message; `content` has CRLF line ends, and no dots added."""

    sender: str = field(repr=False)
    recipients: Sequence[str] = field(repr=False)
    content: bytes = field(repr=False)
    eight_bit: bool = False
    utf8: bool = False

    def __post_init__(self) -> None:
        for address in (self.sender, *self.recipients):
            if not (self.utf8 or address.isascii()) or not address.isprintable():
                raise ValueError("expected an address that SMTP can carry, got another one")


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and the stage of the delivery that its answer decides."""

    stage: Stage
    data: bytes = field(repr=False)
    recipient: str | None = field(default=None, repr=False)


class Transaction:
    """The delivery of one mail; ``outcomes`` fills up as the server answers."""

    def __init__(self, mail: Mail, offered: Extensions) -> None:
        self.sender, self.recipients = mail.sender, mail.recipients
        self.size = len(mail.content)
        self._content = mail.content  # given once, and not kept: mails may be big, and many
        self._optional = f" SIZE={self.size}" if offered.size else ""
        if offered.eight_bit and (mail.eight_bit or mail.utf8):
            self._optional += " BODY=8BITMIME"
        self._needed = " SMTPUTF8" if mail.utf8 else ""
        self.outcomes: dict[str, Outcome] = {}
        self.replies: dict[str, tuple[Stage, Reply]] = {}  # that the outcomes were read from
        self.accepted: list[str] = []
        self.pipelined = False  # commands go out before the answers to those before them
        self.begun = False  # the server keeps a sender, until a message ends or RSET
        self.invited = False  # the answer to DATA was 354
        self.unwanted = False  # a parameter of MAIL was refused, not the sender
        self.probed = self.unchunked = False  # BDAT is there, or is not
        self.slowed = False  # the server asked for less
        self.stale = False  # it was no longer to go
        self.allow: Callable[[], bool] | None = None  # asked just before the message goes
        self._firm: set[str] = set()  # those whose outcomes no answer too many can change
        self._chunked = self._finished = False

    @property
    def open(self) -> list[str]:
        """The recipients that have no outcome yet."""
        return [name for name in self.recipients if name not in self.outcomes]

    def opening(self) -> Iterator[Command]:
        """Give MAIL and the RCPTs."""
        mail = f"MAIL FROM:<{self.sender}>{self._optional}{self._needed}\r\n"
        yield Command(Stage.SENDER, mail.encode())
        for recipient in self.recipients:
            yield Command(Stage.RECIPIENT, f"RCPT TO:<{recipient}>\r\n".encode(), recipient)

    def ready(self) -> bool:
        """Tell if the message is still to go; else those without an outcome are put off."""
        if self.allow is None or self.allow():
            return True
        stale = codes.outcome(Kind.TRANSIENT, Stage.MESSAGE, "no longer to be sent")
        self.outcomes.update(dict.fromkeys(self.open, stale))
        self.stale = True
        return False

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

    def probe(self) -> Command:
        """Ask if BDAT is there, by a chunk of one byte, which can be no line of its own.

        A server without BDAT would take the lines of a whole message for commands. A chunk of no
        bytes is refused by Postfix.
        """
        first, self._content = self._content[:1], self._content[1:]
        return Command(Stage.DATA, b"BDAT %d\r\n%b" % (len(first), first))

    def chunk(self) -> Command:
        """Give the message as one BDAT (RFC 3030)."""
        self._chunked = True
        content, self._content = self._content, b""
        return Command(Stage.ACCEPTED, b"BDAT %d LAST\r\n%b" % (len(content), content))

    def hear(self, command: Command, reply: Reply) -> None:
        """Take the answer to a command; raise OutOfStep for one that it cannot have."""
        stage, kind = command.stage, reply.code // 100
        if stage is Stage.ACCEPTED:
            self._hear_final(reply)
        elif stage is Stage.DATA and command.data.startswith(b"BDAT"):
            self._hear_probe(command, reply)
        elif reply.code == 503 and self._in_sequence(stage):
            raise OutOfStep("expected the answer to a command, got one about their order")
        elif kind >= 4:
            self._refuse(command, reply)
        elif stage is Stage.DATA and reply.code == 354:
            self.invited = True
        elif stage is Stage.DATA or kind != 2 or not (self.begun or stage is Stage.SENDER):
            raise OutOfStep(f"expected the answer to a command, got {reply.code}")
        elif stage is Stage.SENDER:
            self.begun = True
        elif command.recipient is not None and command.recipient not in self.outcomes:
            self.accepted.append(command.recipient)

    def lose(self) -> None:
        """Note that the whole message went out, and that its answer did not come."""
        lost = codes.outcome(Kind.AMBIGUOUS, Stage.ACCEPTED, "answer to the message lost")
        self.outcomes.update(dict.fromkeys(self.open, lost))

    @property
    def refuses(self) -> bool:
        """Whether an answer that may yet be another's was no acceptance."""
        return (self.unwanted or self.unchunked) or any(
            outcome.kind is not Kind.SENT
            for name, outcome in self.outcomes.items()
            if name in self.replies and name not in self._firm
        )

    def confirm(self) -> None:
        """Note that the answers so far were to their own commands."""
        self._firm.update(self.outcomes)

    def doubt(self) -> None:
        """Forget what is not firm: the answers may belong to other commands."""
        for name in self.outcomes.keys() - self._firm:
            del self.outcomes[name]
            self.replies.pop(name, None)
        self.slowed = any(each.kind is Kind.RATE_LIMITED for each in self.outcomes.values())
        self.unwanted = self.unchunked = False
        if self._finished:
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
        confused = reply.code == 503 and bool(self.accepted)
        for_nobody = reply.code // 100 == 2 and self._chunked and not self.accepted
        self.begun, self._finished = False, True
        if not confused:
            self._settle(self.accepted, Stage.ACCEPTED, reply)
        if confused or for_nobody or reply.code // 100 == 3:
            raise OutOfStep("expected the answer to a message, got another one")

    def _hear_probe(self, command: Command, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self.probed = bool(self.accepted)
        elif reply.code in UNKNOWN or (reply.code in NOT_THERE and self.accepted):
            self.unchunked = True  # 503 without recipients is about them
        elif reply.code // 100 == 3:
            raise OutOfStep("expected the answer to BDAT, got another one")
        else:
            self._refuse(command, reply)

    def _in_sequence(self, stage: Stage) -> bool:
        """Tell if a command was in its order: then 503 answers another one."""
        if stage in (Stage.SENDER, Stage.RECIPIENT):
            return self.begun or stage is Stage.SENDER
        return bool(self.accepted)

    def _refuse(self, command: Command, reply: Reply) -> None:
        parameters = self._optional or self._needed
        if command.stage is Stage.SENDER and codes.is_about_parameters(reply.code, reply.text):
            self.unwanted = bool(parameters)
            if self._optional:
                return  # the same mail goes without them
        elif self.unwanted and reply.code != 421:
            return  # as there is no sender
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
                self.slowed = self.slowed or outcome.kind is Kind.RATE_LIMITED
