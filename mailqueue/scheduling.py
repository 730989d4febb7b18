"""What a single message asks of the queue: when to be sent, until when, and only once."""

import dataclasses
import hashlib
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.mail import EmailMessage
from django.utils.timezone import is_aware, make_aware

Message = TypeVar("Message", bound=EmailMessage)

ATTRIBUTE = "queue_options"
LAST_YEAR = 9998  # databases know no year after the next
LONGEST = timedelta(days=365_000)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MessageOptions:
    """The wishes of one message; times are Unix seconds, ``expires_in`` counts from queueing."""

    send_at: float | None = None
    expires_at: float | None = None
    expires_in: float | None = None
    idempotency_key: str | None = dataclasses.field(default=None, repr=False)

    def expire(self, now: float) -> float | None:
        """Return when a message that is queued now expires, if ever."""
        return self.expires_at if self.expires_in is None else now + self.expires_in


NOTHING_SPECIAL = MessageOptions()


def queue_options(
    message: Message,
    *,
    send_at: datetime | None = None,
    expires: datetime | timedelta | None = None,
    idempotency_key: str | None = None,
) -> Message:
    """Set what the queue shall do with this message, and return it.

    It is not sent before ``send_at``, and not after ``expires`` (a time, or how long after it was
    queued). Messages with one ``idempotency_key`` are sent once for each mailer, the first one
    wins; the mailer must have a ledger. Naive times are in the current time zone. Other backends
    take no notice of it. Raises TypeError or ValueError.
    """
    if idempotency_key is not None and (
        not isinstance(idempotency_key, str) or not 1 <= len(idempotency_key) <= 255
    ):
        raise ValueError("'idempotency_key' must be a text of 1 to 255 characters")
    lasting = isinstance(expires, timedelta)
    if isinstance(expires, timedelta) and expires > LONGEST:
        raise ValueError(f"'expires' must be at most {LONGEST.days} days")
    options = MessageOptions(
        send_at=seconds("send_at", send_at),
        expires_at=None if lasting else seconds("expires", expires),
        expires_in=max(0.0, expires.total_seconds()) if isinstance(expires, timedelta) else None,
        idempotency_key=idempotency_key,
    )
    setattr(message, ATTRIBUTE, options)
    return message


def id_of(idempotency_key: str, mailer: str = "default") -> str:
    """Return the id that a mail with this key has in the queue, to cancel or to find it."""
    return hashlib.sha256(f"{mailer}\n{idempotency_key}".encode()).hexdigest()[:32]


def options_of_message(message: EmailMessage) -> MessageOptions:
    """Return what `queue_options()` has set, or nothing special."""
    options = getattr(message, ATTRIBUTE, None)
    return options if isinstance(options, MessageOptions) else NOTHING_SPECIAL


def seconds(name: str, when: object) -> float | None:
    if when is None:
        return None
    if not isinstance(when, datetime):
        raise TypeError(f"'{name}' must be a datetime, got {type(when).__name__}")
    if when.year > LAST_YEAR:
        raise ValueError(f"'{name}' must be in a year up to {LAST_YEAR}")
    return max(0.0, (when if is_aware(when) else make_aware(when)).timestamp())
