"""The backend that queues: accepts messages, leaves their delivery to workers."""

from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.backends.using import fault
from mailqueue.enqueue import accept
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.ledger.selection import default_level
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions


class EmailBackend(BaseEmailBackend):
    """Queue messages for the mailer named by ``using``.

    OPTIONS are those of `QueueOptions`. ``fail_silently`` hides `PublishError` only.
    Raises `InvalidMailer` for an option that is unknown or wrong, and for a ``using`` that names
    no mailer or leads back here.
    """

    queues = True  # it makes a lane

    def __init__(
        self, *, alias: str | None = None, fail_silently: bool = False, **options: Any
    ) -> None:
        if alias is None:
            raise InvalidMailer(
                "Expected an entry of MAILERS; legacy settings cannot name 'using'."
            )
        known = {name: options.pop(name) for name in QueueOptions.names() if name in options}
        super().__init__(alias=alias, **options)
        self.fail_silently = fail_silently
        try:
            self.lane = Lane.make(alias, QueueOptions.from_mailer(known, ledger=default_level()))
        except ValueError as error:
            raise InvalidMailer(str(error), alias=alias) from None
        here = {"OPTIONS": {"using": self.lane.options.using}}
        if wrong := fault(alias, {**mailers.settings, alias: here}):
            raise InvalidMailer(wrong, alias=alias)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the messages and return how many were queued.

        Raises `EncodeError` or `ValueError` before anything is queued when one cannot be carried,
        `PublishError` when the broker does not take them in time.
        """
        try:
            return accept(email_messages, self.lane)
        except PublishError as error:
            if not self.fail_silently:
                raise
            return error.queued
