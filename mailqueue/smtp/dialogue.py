"""Commands out, answers in, and which answer belongs to which command."""

import socket
import ssl
from collections import deque
from typing import NamedTuple

from mailqueue.outcome.outcome import Stage
from mailqueue.smtp.deadline import Deadline
from mailqueue.smtp.incoming import Incoming, set_timeout
from mailqueue.smtp.reply import Closing, Garbled, OutOfStep, Reply
from mailqueue.smtp.transaction import Command, Transaction

# Servers answer while we write. Were their answers never read meanwhile, both sides could come
# to wait for the other (RFC 2920 section 3.1).
MOST_UNANSWERED = 200
# TLS records are of 16 KiB. Whether a message went out whole is known by the record.
SLICE = 16384

RSET = Command(Stage.UNKNOWN, b"RSET\r\n")


class Expected(NamedTuple):
    """A command that waits for its answer; `end` is where it ends among all bytes written."""

    command: Command
    transaction: Transaction | None
    end: int


class Dialogue:
    """The conversation on a connected socket, in the order in which it happens.

    Answers have no names: they belong to commands by their number alone. `unsure` are the
    transactions whose answers may yet turn out to be others'; see ``settle()``.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        final_timeout: float | None,
        incoming: Incoming | None = None,
        deadline: Deadline | None = None,
        hello: Command | None = None,
    ) -> None:
        self.awaited: deque[Expected] = deque()
        self.unsure: list[Transaction] = []
        self.in_flight = 0  # messages written, or about to be, that have no answer
        self.chunks = False  # BDAT was seen to work
        self._socket = sock
        self._slice = SLICE if isinstance(sock, ssl.SSLSocket) else SLICE * 16
        self._timeout = sock.gettimeout()
        self._final_timeout = final_timeout
        self._deadline = deadline or Deadline()
        self._incoming = incoming or Incoming(sock, self._deadline)
        self._hello = hello  # EHLO, where its answer looks like no other one
        self._last: Command | None = None
        self._unsent: list[bytes] = []
        self._said = 0
        self._written = 0

    def say(self, command: Command, transaction: Transaction | None = None) -> None:
        """Put a command with those that go out at the next flush()."""
        if transaction and not (self.unsure and self.unsure[-1] is transaction):
            self.unsure.append(transaction)
        self._last = command
        self._unsent.append(command.data)
        self._said += len(command.data)
        self.awaited.append(Expected(command, transaction, self._said))
        self.in_flight += command.stage is Stage.ACCEPTED
        if len(self.awaited) >= MOST_UNANSWERED:
            self.flush()
            self.hear(down_to=MOST_UNANSWERED // 2)

    def ask(self, command: Command, transaction: Transaction | None = None) -> None:
        """Say a command and wait for its answer."""
        self.say(command, transaction)
        self.flush()
        self.hear()

    def flush(self) -> None:
        """Write what was said."""
        data = memoryview(b"".join(self._unsent))
        self._unsent.clear()
        while data:
            # Not sendall(): after a failure it does not tell how much had gone out.
            set_timeout(self._socket, self._deadline.bound(self._timeout))
            part = data[: self._slice]
            try:
                sent = self._socket.send(part)
            except OSError:
                raise  # nothing of it went out
            except BaseException:  # the handler of a signal raised it, when all may have gone out
                self._written += len(part)
                raise
            self._written += sent
            data = data[sent:]

    def hear(self, *, down_to: int = 0) -> None:
        """Wait for answers until so many commands are left without."""
        while len(self.awaited) > down_to:
            self._hear_one(self._incoming.take() or self._read())
        if not self.awaited:
            self._incoming.expect_nothing()

    def settle(self) -> None:
        """Make sure that no answer is missing and none was too many; then outcomes are firm.

        Behind the last message goes RSET, so that the answer to the message is not the last one.
        Where all answers accept, their number is enough. Else EHLO asks for one that looks like
        no other: a refusal too many would leave the answer to RSET for it.
        """
        if self.unsure and self._last is not RSET:
            self.say(RSET)
        self.flush()
        self.hear()
        if self._hello is not None and any(each.refuses for each in self.unsure):
            self._ask_hello(self._hello)
        self._incoming.expect_nothing(look=True)
        self.unsure.clear()

    def end(self, error: BaseException) -> None:
        """Settle what can be, after the error that ended the connection.

        A message that went out whole and has no answer may have been accepted or not; but not
        after 421, by which the server says that it takes no more.
        """
        if isinstance(error, Closing):
            return
        doubtful: list[Transaction] = []
        if type(error) is OutOfStep or (isinstance(error, TimeoutError) and self._may_miss_one()):
            doubtful = self.unsure
        elif isinstance(error, TimeoutError | Garbled) and self.awaited:
            doubtful = [each for each in self.unsure if each is self.awaited[0].transaction]
            doubtful = [each for each in doubtful if each.pipelined]
        for transaction in doubtful:
            transaction.doubt()
        for command, waiting, end in self.awaited:
            if command.stage is Stage.ACCEPTED and waiting and end <= self._written:
                waiting.lose()

    def _may_miss_one(self) -> bool:
        """Tell if the answers heard may be one place off, now that the last ones do not come.

        Not where each was waited for by itself, and not where 354 was still to come and nothing
        was refused: it would have come in the place of another one.
        """
        if not any(each.pipelined for each in self.unsure):
            return False
        refused = any(each.refuses for each in self.unsure)
        return refused or not any(each.command.data == b"DATA\r\n" for each in self.awaited)

    def _read(self) -> Reply:
        if self.awaited and self.awaited[0].command.stage is Stage.ACCEPTED:
            return self._incoming.wait(self._final_timeout, final=True)
        return self._incoming.wait(self._timeout)

    def _hear_one(self, reply: Reply) -> None:
        command, transaction, _ = self.awaited.popleft()
        if command.stage is Stage.ACCEPTED:
            self.in_flight -= 1
            self._deadline.restart()
        if transaction is not None:
            transaction.hear(command, reply)
        elif reply.code // 100 != 2 and reply.code != 421:
            raise OutOfStep("expected the answer to RSET or NOOP, got another one")
        if transaction is not None and reply.code == 354:
            # Nothing else is answered so: all answers before it were in their places.
            for each in self.unsure:
                each.confirm()
            self.unsure = [transaction]
        if reply.code == 421:
            raise Closing(reply.code, reply.text)

    def _ask_hello(self, hello: Command) -> None:
        self.say(hello)
        self.flush()
        reply = self._incoming.take() or self._read()
        self.awaited.popleft()
        if reply.code == 421:
            raise Closing(reply.code, reply.text)
        if reply.code // 100 == 2 and b"\n" not in reply.text:
            raise OutOfStep("expected the answer to EHLO, got another one")
        self._incoming.expect_nothing()
