"""Send mail over SMTP."""

import smtplib
from collections.abc import Callable, Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.backends.smtp_connection import SMTPConnection
from mailqueue.frames import Edge
from mailqueue.mail.addresses import addr_spec
from mailqueue.outcome.outcome import Outcomes
from mailqueue.smtp.batch import Batch
from mailqueue.smtp.client import Client
from mailqueue.smtp.options import ConnectionOptions
from mailqueue.smtp.rendering import render

Refused = dict[str, tuple[int, bytes]]  # address -> reply, as smtplib has it


class EmailBackend(SMTPConnection):
    """A connection to an SMTP server, with the options of Django's backend and `ConnectionOptions`.

    ``deliver()`` tells what became of each recipient; ``send_messages()`` behaves as Django's.
    After it, ``refused`` holds for each message the recipients that the server refused while it
    took others; smtplib knows them, and Django drops them.
    """

    reports_outcomes = True
    smtputf8 = True  # ``deliver()`` sends to addresses that need it, where it is offered (RFC 6531)

    # Asked just before the content of each message goes out, where ``deliver()`` is used: whoever
    # says no gets the outcome "no longer to be sent" (transient, stage message) for it.
    before_content: Callable[[EmailMessage], bool] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refused: list[Refused] = []

    @classmethod
    def known_options(cls) -> list[str]:
        """Return the names that OPTIONS may have."""
        return [*super().known_options(), *ConnectionOptions.names()]

    def deliver(self, messages: Sequence[EmailMessage]) -> list[Outcomes]:
        """Send all; tell for each message what became of each of its recipients.

        Failures are outcomes and raise nothing. What was not started when a connection was lost
        goes over a new one. The connection is closed afterwards unless ``open()`` was called.
        """
        with self._lock, self.deadline.call(self.longest(len(messages))):
            kept = self._kept_open
            try:
                return [delivery.outcomes for delivery in Batch(self, messages).run()]
            finally:
                self._kept_open = kept
                if not kept:
                    self._part()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send all over one connection; return the number that the server took.

        All are tried before the first error is raised. The connection is closed afterwards if it
        was opened here. `fail_silently` hides errors of connecting and SMTP errors, no others.
        """
        if not email_messages:
            return 0
        messages = list(email_messages)  # it may be an iterator
        with Edge(), self._lock, self.deadline.call(self.longest(len(messages))):
            opened = self.open()
            if not self.connection or opened is None:
                return 0
            self.refused = []
            try:
                if len(messages) > 1 and isinstance(self.connection, Client):
                    return self._send_all(messages)
                return sum(self._send(message) for message in messages)
            finally:
                if opened:
                    self.close()

    def _send_all(self, messages: Sequence[EmailMessage]) -> int:
        deliveries = Batch(self, messages, utf8=False).run()
        self.refused = [delivery.refused for delivery in deliveries]
        for delivery in deliveries:
            if delivery.error and not (self.fail_silently and isinstance(delivery.error, OSError)):
                raise delivery.error
        return sum(bool(each.outcomes) and each.error is None for each in deliveries)

    def _send(self, message: EmailMessage) -> bool:
        if not message.recipients():
            self.refused.append({})
            return False
        try:
            self.refused.append(self.transmit(message))
        except smtplib.SMTPException:
            if not self.fail_silently:
                raise
            self.refused.append({})
            return False
        return True

    def transmit(self, message: EmailMessage) -> Refused:
        """Send over the open connection; return the recipients refused, if any was accepted.

        Raise smtplib's errors, and ValueError for an address that cannot be sent to.
        """
        sender = self.prep_address(message.from_email)
        recipients = [self.prep_address(address) for address in message.recipients()]
        data = render(message)
        assert self.connection is not None  # noqa: S101 (open() was called)
        return self.connection.sendmail(sender, recipients, data)

    def prep_address(self, address: Any, force_ascii: bool = True) -> str:
        """Return what `address` is in the envelope; see ``addr_spec()``."""
        return addr_spec(address, force_ascii=force_ascii)
