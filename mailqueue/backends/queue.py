"""The backend that queues: accepts messages, leaves their delivery to workers."""

from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.enqueue.accept import accept
from mailqueue.errors import PublishError
from mailqueue.frames import Edge
from mailqueue.lanes import kept_lane
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions

NAMES = QueueOptions.names()


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
                "The queue needs an entry of MAILERS with 'using' in its OPTIONS, which"
                " EMAIL_BACKEND cannot have; 'manage.py check' says what to write."
            )
        known = {name: options.pop(name) for name in NAMES if name in options}
        super().__init__(alias=alias, **options)
        self.fail_silently = fail_silently
        self.lane = kept_lane(alias, known)

    @classmethod
    def known_options(cls) -> list[str]:
        """Return the names that OPTIONS may have."""
        return [*NAMES, *super().known_options()]

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the messages and return how many were queued.

        Raises `EncodeError` or `ValueError` before anything is queued when one cannot be carried,
        `PublishError` when the broker does not take them in time.
        """
        try:
            with Edge():
                return accept(email_messages, self.lane)
        except PublishError as error:
            if not self.fail_silently:
                raise
            return error.queued
