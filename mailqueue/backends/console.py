"""Write mail to a stream, for development."""

import sys
import threading
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.backends.base import BaseEmailBackend


class EmailBackend(BaseEmailBackend):
    """Write each message to the option `stream`, ``sys.stdout`` by default."""

    stream: Any

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        self.stream = kwargs.pop("stream", sys.stdout)
        self._lock = threading.RLock()
        super().__init__(**kwargs)
        self.fail_silently = fail_silently

    def write_message(self, message: EmailMessage) -> None:
        """Write one message and a line after it."""
        rendered = message.message()
        charset = rendered.get_charset()
        encoding = charset.get_output_charset() if charset else "utf-8"  # type: ignore[union-attr]
        self.stream.write(f"{rendered.as_bytes().decode(encoding or 'utf-8')}\n")
        self.stream.write("-" * 79)
        self.stream.write("\n")

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write all messages; other threads wait. `fail_silently` hides any error."""
        count = 0
        if not email_messages:
            return count
        with self._lock:
            opened = False
            try:
                opened = bool(self.open())
                for message in email_messages:
                    self.write_message(message)
                    self.stream.flush()
                    count += 1
            except Exception:
                if not self.fail_silently:
                    raise
            finally:
                if opened:
                    self.close()
        return count
