"""How smtplib connects and reads, but not for ever, and not what belongs to another command."""

import smtplib
import socket
import ssl
from typing import TYPE_CHECKING, Any

from mailqueue.smtp.deadline import Deadline
from mailqueue.smtp.incoming import Incoming

if TYPE_CHECKING:
    _SMTP = smtplib.SMTP
else:
    _SMTP = object


class Bounded(_SMTP):
    """Mixed into smtplib's classes.

    All that is read comes through ``getreply()`` or a `Dialogue`, which share one `Incoming`.
    """

    sock: socket.socket | None
    _incoming: Incoming | None = None

    def __init__(self, *args: Any, deadline: Deadline | None = None, **kwargs: Any) -> None:
        self.deadline = deadline or Deadline()
        super().__init__(*args, **kwargs)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        """Try each address of the host, as create_connection() does, within the deadline."""
        seconds = timeout if isinstance(timeout, int | float) else socket.getdefaulttimeout()
        failed: OSError = OSError("getaddrinfo returns an empty list")
        for *_, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            left = self.deadline.bound(seconds)
            try:
                sock: socket.socket = super()._get_socket(  # type: ignore[misc]
                    address[0], port, timeout if left is None else left
                )
            except ssl.SSLError:
                raise  # it was reached
            except OSError as error:
                failed = error
            else:
                sock.settimeout(seconds)
                return sock
        raise failed

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Write a command, unless something came that none asked for."""
        if self.sock is not None:
            try:
                self._heard().expect_nothing()
            except BaseException:
                self.close()
                raise
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        """Wait for an answer: as a whole for the timeout, and for not too many lines."""
        try:
            if self.sock is None:
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
            reply = self._heard().wait(self.sock.gettimeout())
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed") from error
            raise
        return reply.code, reply.text

    def _heard(self) -> Incoming:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        if self._incoming is None:
            self._incoming = Incoming(self.sock, self.deadline)
        elif self._incoming.sock is not self.sock:
            # TLS begins: what came before it may be anybody's, and stays outside.
            self._incoming.expect_nothing()
            self._incoming = Incoming(self.sock, self.deadline)
        return self._incoming

    def close(self) -> None:
        """Close the socket without a word."""
        self._incoming = None
        super().close()
