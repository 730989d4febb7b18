"""What became of one recipient of one message: values only, no decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an outcome means for the next step."""

    SENT = "sent"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"  # handed over, but the answer was lost (RFC 1047)
    RATE_LIMITED = "rate_limited"
    CONFIGURATION = "configuration"


class Stage(StrEnum):
    """How far the delivery came."""

    MESSAGE = "message"  # the message could not be made; nothing was sent
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Tell what became of one recipient.

    ``code`` is the SMTP reply code or HTTP status, ``enhanced`` the code of RFC 3463 ("5.1.1").
    ``reason`` is a text of ours: what the server wrote may hold addresses and is not kept.
    ``retry_after`` is in seconds, as asked for by the target. ``queue_id`` is the target's own
    name of the accepted message.
    """

    kind: Kind
    stage: Stage
    code: int | None = None
    enhanced: str | None = None
    reason: str = ""
    retry_after: float | None = None
    queue_id: str | None = None


# Of a mail that was not sent because its time, or its worker's claim, was over.
LATE = Outcome(kind=Kind.TRANSIENT, stage=Stage.MESSAGE, reason="its time was over (transient)")

# Failures before a message is named; the next message would meet them, too.
_BEFORE_A_MESSAGE = {Stage.CONNECT, Stage.TLS, Stage.AUTH}


def is_mailers(outcome: Outcome) -> bool:
    """Tell whether a failure is the mailer's: it charges no mail, and all wait for its end."""
    if outcome.kind in (Kind.CONFIGURATION, Kind.RATE_LIMITED):
        return True
    return outcome.kind is not Kind.SENT and outcome.stage in _BEFORE_A_MESSAGE


Outcomes = Mapping[str, Outcome]
"""Per recipient of one message, under the names that ``message.recipients()`` gives."""


def queue_id_of(sent: Iterable[Outcome], recipients: Iterable[str]) -> str | None:
    """Return the target's name of a mail; never an address, which some servers say in its place."""
    addresses = " ".join(recipients).lower()
    named = (each.queue_id for each in sent if each.queue_id)
    return next((name for name in named if name.lower() not in addresses), None)
