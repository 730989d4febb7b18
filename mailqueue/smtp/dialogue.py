"""Commands out, answers in, and which answer belongs to which command."""

import smtplib
import socket
import ssl
from collections import deque
from typing import NamedTuple

from mailqueue.outcome.outcome import Stage
from mailqueue.smtp.reply import OutOfStep, Replies, Reply
from mailqueue.smtp.transaction import Command, Transaction

# Servers answer while we write. Were their answers never read meanwhile, both sides could come
# to wait for the other (RFC 2920 section 3.1).
MOST_UNANSWERED = 200
# TLS records are of 16 KiB. Whether a message went out whole is known by the record.
SLICE = 16384


class Closing(smtplib.SMTPResponseException):
    """The server answered 421: what it has not answered, it will not."""


class Expected(NamedTuple):
    """A command that waits for its answer; `end` is where it ends among all bytes written."""

    command: Command
    transaction: Transaction | None
    end: int


class Dialogue:
    """The conversation on a connected socket, in the order in which it happens."""

    def __init__(self, sock: socket.socket, *, final_timeout: float | None) -> None:
        self.awaited: deque[Expected] = deque()
        self.in_flight = 0  # messages written, or about to be, that have no answer
        self._socket = sock
        self._slice = SLICE if isinstance(sock, ssl.SSLSocket) else SLICE * 16
        self._timeout = sock.gettimeout()
        self._final_timeout = final_timeout
        self._replies = Replies()
        self._unsent: list[bytes] = []
        self._said = 0
        self._written = 0

    def say(self, command: Command, transaction: Transaction | None = None) -> None:
        """Put a command with those that go out at the next flush()."""
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
            sent = self._socket.send(data[: self._slice])
            self._written += sent
            data = data[sent:]

    def hear(self, *, down_to: int = 0) -> None:
        """Wait for answers until so many commands are left without."""
        while len(self.awaited) > down_to:
            self._hear_one(self._next(final=self.awaited[0].command.stage is Stage.ACCEPTED))

    def hear_present(self) -> None:
        """Take the answers that have come already."""
        while self.awaited and (reply := self._replies.take()):
            self._hear_one(reply)

    def end(self, error: BaseException) -> None:
        """Settle what can be, after the error that ended the connection.

        A message that went out whole and has no answer may have been accepted or not; but not
        after 421, by which the server says that it takes no more.
        """
        if isinstance(error, Closing):
            return
        if isinstance(error, TimeoutError | OutOfStep) and self.awaited:
            interrupted = self.awaited[0].transaction
            if interrupted is not None:
                interrupted.doubt()
        for command, transaction, end in self.awaited:
            if command.stage is Stage.ACCEPTED and transaction and end <= self._written:
                transaction.lose()

    def _next(self, *, final: bool) -> Reply:
        if reply := self._replies.take():
            return reply
        if final and self._final_timeout != self._timeout:
            self._socket.settimeout(self._final_timeout)
            try:
                return self._read()
            finally:
                self._socket.settimeout(self._timeout)
        return self._read()

    def _read(self) -> Reply:
        reply = None
        while reply is None:
            data = self._socket.recv(65536)
            if not data:
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
            self._replies.feed(data)
            reply = self._replies.take()
        return reply

    def _hear_one(self, reply: Reply) -> None:
        command, transaction, _ = self.awaited.popleft()
        self.in_flight -= command.stage is Stage.ACCEPTED
        if transaction is not None:
            transaction.hear(command, reply)
        if reply.code == 421:
            raise Closing(reply.code, reply.text)
