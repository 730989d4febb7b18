"""The answers that come on a socket: each awaited as a whole, however slowly its bytes drip."""

import smtplib
import socket
import ssl
import time
from contextlib import suppress

from mailqueue.smtp.deadline import Deadline
from mailqueue.smtp.reply import Closing, Garbled, OutOfStep, Replies, Reply

# Servers write answers one by one, and the next only once the last is acknowledged (Nagle); an
# acknowledgement that waits for something to travel with costs 40 ms a window. Linux alone has it.
_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)
_NOTHING_THERE = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def set_timeout(sock: socket.socket, seconds: float | None) -> None:
    """Have a socket wait so long; it costs a system call, also where nothing changes."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


class Incoming:
    """What came on a socket and was not taken yet; one for each socket, for all who read it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self._deadline = deadline
        self._replies = Replies()

    def take(self) -> Reply | None:
        """Return an answer that is there."""
        return self._replies.take()

    def wait(self, seconds: float | None, *, final: bool = False) -> Reply:
        """Wait for the next answer, for so many seconds in all and not past the deadline."""
        until = None if seconds is None else time.monotonic() + seconds
        patience, left = self.sock.gettimeout(), seconds
        try:
            while (reply := self._replies.take()) is None:
                set_timeout(self.sock, self._deadline.bound(left, final=final))
                if _AT_ONCE is not None:
                    with suppress(OSError):
                        self.sock.setsockopt(socket.IPPROTO_TCP, _AT_ONCE, 1)
                self._feed(self.sock.recv(65536))
                left = None if until is None else until - time.monotonic()
        finally:
            with suppress(OSError):
                set_timeout(self.sock, patience)
        return reply

    def expect_nothing(self, *, look: bool = False) -> None:
        """Raise OutOfStep for bytes that nobody awaits, Closing if they are the server's farewell.

        With `look` also for those that are still in the socket.
        """
        if look:
            self._look()
        if not self._replies.pending:
            return
        with suppress(Garbled):
            reply = self._replies.take()
            if reply is not None and reply.code == 421:
                raise Closing(reply.code, reply.text)
        raise OutOfStep("expected nothing, got an answer to no command")

    def _look(self) -> None:
        patience = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            data = self.sock.recv(65536)
        except _NOTHING_THERE:
            return
        finally:
            self.sock.settimeout(patience)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if not data:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        self._replies.feed(data)
