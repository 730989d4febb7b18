"""One connection: its age, its health, and how it runs transactions."""

import os
import smtplib
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from mailqueue.outcome.marks import answer_lost
from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.smtp.authentication import Authentication
from mailqueue.smtp.bounded import Bounded
from mailqueue.smtp.chunking import chunked
from mailqueue.smtp.dialogue import Dialogue
from mailqueue.smtp.pipelining import lockstep, pipelined
from mailqueue.smtp.transaction import Command, Extensions, Mail, Transaction

TIMEOUT = 60.0  # seconds for each step; smtplib's own default is for ever
FAREWELL = 5.0  # seconds for the answer to QUIT, which nobody needs
PROBE_AFTER = 10.0  # seconds without a command; relays hang up on the idle
ALIVE = 1.0  # seconds after an answer; no connection is more certain to live in a window's midst

NOOP = Command(Stage.CONNECT, b"NOOP\r\n")


class Client(Bounded, Authentication):
    """Mixed into smtplib's classes, which connect and start TLS."""

    esmtp_features: dict[str, str]

    final_timeout: float | None = None  # seconds for the answer to a message; None: as any other
    count = 0  # transactions run so far
    pipelining = False  # the last run() did not wait for the answer to each command
    _dialogue: Dialogue | None = None
    _alive_until = float("-inf")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.pid = os.getpid()
        self.opened_at = self.used_at = time.monotonic()
        super().__init__(*args, **kwargs)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        if not isinstance(timeout, int | float) and socket.getdefaulttimeout() is None:
            timeout = TIMEOUT  # it was not given
        sock: socket.socket = super()._get_socket(host, port, timeout)
        # A message is more than one packet: its last part must not wait for the first one's ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    @property
    def offered(self) -> Extensions:
        """What the server offers, after its EHLO."""
        try:
            self.ehlo_or_helo_if_needed()
            self._heard().expect_nothing()
        except BaseException:
            self.close()
            raise
        return Extensions.of(self.esmtp_features)

    @property
    def inherited(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self.pid != os.getpid()

    def usable(self, *, max_messages: int, max_age: float) -> bool:
        """Tell if more mail may go over it; asks the server when it was idle."""
        now = time.monotonic()
        if self.sock is None or self.inherited:
            return False
        if self.count >= max_messages or now - self.opened_at >= max_age:
            return False
        try:
            self._heard().expect_nothing(look=True)
            if now - self.used_at >= PROBE_AFTER:
                self._talk().ask(NOOP)
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            return False
        self.used_at = now
        return True

    def run(self, transactions: Iterable[Transaction], *, window: int) -> Exception | None:
        """Run them, with up to `window` mails out without an answer (0: no pipelining at all).

        Return what ended the connection before its time, if anything did. Then transactions may
        be left open: of them, those that the server may have accepted are ambiguous, and the
        others were not started. After any exception the connection is closed.
        """
        try:
            self._run(self._counted(transactions), window)
        except BaseException as error:
            if self._dialogue is not None:
                self._dialogue.end(error)
            self.close()
            if not isinstance(error, Exception):
                raise
            return error
        self.used_at = time.monotonic()
        self._alive_until = self.used_at + ALIVE
        return None

    def part(self) -> None:
        """Say QUIT where that can be said, and close."""
        try:
            if self.sock is not None and not self.inherited:
                self.quit()
        except OSError:
            pass
        finally:
            self.close()

    def quit(self) -> tuple[int, bytes]:
        """Say QUIT, and do not wait long for an answer that nobody needs."""
        if self.sock is not None:
            with suppress(OSError):  # it is closed, by TLS that failed
                self.sock.settimeout(FAREWELL)
        return super().quit()

    def close(self) -> None:
        """Close the socket without a word."""
        self._dialogue = None
        super().close()

    def sendmail(
        self,
        from_addr: str,
        to_addrs: Any,
        msg: Any,
        mail_options: Any = (),
        rcpt_options: Any = (),
    ) -> dict[str, tuple[int, bytes]]:
        """Do what smtplib does, pipelined if that is offered; after any other error, be closed."""
        recipients = [to_addrs] if isinstance(to_addrs, str) else list(to_addrs)
        if mail_options or rcpt_options or isinstance(msg, str):
            return self._sendmail(from_addr, recipients, msg, mail_options, rcpt_options)
        mail = Mail(from_addr, recipients, msg, eight_bit=not msg.isascii())
        transaction = Transaction(mail, self.offered)
        error = self.run([transaction], window=1)
        if transaction.unwanted and error is None:  # once more, without what was refused
            transaction = Transaction(mail, Extensions(pipelining=self.offered.pipelining))
            error = self.run([transaction], window=1)
        if any(outcome.kind is Kind.SENT for outcome in transaction.outcomes.values()):
            return transaction.refused()
        if error := error or transaction.error():
            if any(each.kind is Kind.AMBIGUOUS for each in transaction.outcomes.values()):
                answer_lost(error)
            raise error
        return transaction.refused()

    def _sendmail(self, *arguments: Any) -> dict[str, tuple[int, bytes]]:
        self.count += 1
        try:
            return super().sendmail(*arguments)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
            raise  # the server answered
        except BaseException:
            self.close()  # its answer may still come, and would be taken for the next one
            raise
        finally:
            self.used_at = time.monotonic()

    def _run(self, transactions: Iterator[Transaction], window: int) -> None:
        offered = self.offered
        dialogue = self._talk()
        self.pipelining = window > 0 and offered.pipelining
        if not self.pipelining:
            lockstep(dialogue, transactions)
        elif window < 2 or not offered.chunking:
            pipelined(dialogue, transactions)
        else:
            alive = time.monotonic() < self._alive_until
            chunked(dialogue, transactions, window=window, alive=alive)
        dialogue.settle()

    def _counted(self, transactions: Iterable[Transaction]) -> Iterator[Transaction]:
        for number, transaction in enumerate(transactions):
            if number:
                self.deadline.restart()
            self.count += 1
            yield transaction

    def _talk(self) -> Dialogue:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        if self._dialogue is None:
            final = self.sock.gettimeout() if self.final_timeout is None else self.final_timeout
            self._dialogue = Dialogue(
                self.sock,
                final_timeout=final,
                incoming=self._heard(),
                deadline=self.deadline,
                hello=self._hello(),
            )
        return self._dialogue

    def _hello(self) -> Command | None:
        """Return EHLO if its answer has several lines, as no other one that we wait for."""
        if not self.does_esmtp or b"\n" not in (self.ehlo_resp or b""):
            return None
        return Command(Stage.UNKNOWN, f"EHLO {self.local_hostname}\r\n".encode())


@cache
def client_class(base: type[smtplib.SMTP]) -> type[smtplib.SMTP]:
    """Mix a class of smtplib, or one made from it, with ours."""
    return type(base.__name__, (Client, base), {})
