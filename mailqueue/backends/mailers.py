"""The way in for mail of other people's code on Django 5.2 and 6.0."""

from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.mail.handler import DEFAULT_MAILER_ALIAS, mailers


class EmailBackend(BaseEmailBackend):
    """Hand mail to ``mailers.default``; for ``settings.EMAIL_BACKEND``, not for MAILERS."""

    def __init__(self, **kwargs: Any) -> None:
        if not mailers._is_configured or "alias" in kwargs:
            raise InvalidMailer("mailqueue.backends.mailers is for EMAIL_BACKEND beside MAILERS.")
        super().__init__()
        # Up to 6.0 send_mail() passes these whether they were given or not.
        given = {name: value for name, value in kwargs.items() if value not in (None, False)}
        self.backend = mailers.create_connection(DEFAULT_MAILER_ALIAS, _deprecated_kwargs=given)

    def open(self) -> bool | None:
        """Open the default mailer."""
        return self.backend.open()

    def close(self) -> None:
        """Close the default mailer."""
        self.backend.close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send through the default mailer."""
        return self.backend.send_messages(email_messages)
