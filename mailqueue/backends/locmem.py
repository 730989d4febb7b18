"""Keep mail in memory, for tests."""

import copy
from collections.abc import Sequence
from typing import Any

from django.core import mail
from django.core.mail import EmailMessage

from mailqueue.backends.base import BaseEmailBackend


class EmailBackend(BaseEmailBackend):
    """Append to ``django.core.mail.outbox``, which is ``mailqueue.mail.outbox``, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not hasattr(mail, "outbox"):
            mail.outbox = []

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Append a deep copy of each message, with the alias as `sent_using`."""
        count = 0
        for message in email_messages:
            message.message()  # raises what another backend would raise
            kept: Any = copy.deepcopy(message)
            kept.sent_using = self.alias
            mail.outbox.append(kept)
            count += 1
        return count
