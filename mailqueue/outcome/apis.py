"""What targets that speak HTTP say: requests, botocore, and anymail where it is in use.

Nothing is imported for it: an exception of a library exists only where the library is loaded.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.outcome import codes
from mailqueue.outcome.outcome import Kind, Outcome, Stage

# Raised when a request was written and its answer did not come, or was none (requests, urllib3,
# http.client, httpx, botocore). Some are subclasses of errors that mean "not connected".
_REPLY_LOST = frozenset(
    {
        "ReadTimeout",
        "ReadTimeoutError",
        "ChunkedEncodingError",
        "ProtocolError",
        "RemoteDisconnected",
        "RemoteProtocolError",
        "ConnectionClosedError",
        "JSONDecodeError",
    }
)
_STATUSES = {  # anymail.message.ANYMAIL_STATUSES
    "sent": (Kind.SENT, Stage.ACCEPTED, "accepted"),
    "queued": (Kind.SENT, Stage.ACCEPTED, "accepted"),
    "unknown": (Kind.SENT, Stage.ACCEPTED, "accepted"),
    "invalid": (Kind.PERMANENT, Stage.RECIPIENT, "no valid mailbox"),
    "rejected": (Kind.PERMANENT, Stage.RECIPIENT, "mailbox on the provider's block list"),
    "failed": (Kind.TRANSIENT, Stage.RECIPIENT, "refused for now by the provider"),
}


# Answers about who asks, and for what: the account, the address of the API, a proxy. Whatever is
# redirected was not taken (RFC 9110 section 15).
_MAILERS = frozenset({*range(300, 400), 402, 404, 405, 407})

# Seconds: who asks for a week would have the mail given up as too old, and its mailer stand still.
LONGEST_WAIT = 3600.0


def statuses(message: EmailMessage | None) -> dict[str, Outcome]:
    """Read what anymail noted on a message, per bare address; empty without anymail."""
    noted = getattr(getattr(message, "anymail_status", None), "recipients", None)
    if not isinstance(noted, Mapping):
        return {}
    return {str(address): _status(status) for address, status in noted.items()}


def refused(error: BaseException, message: EmailMessage | None) -> dict[str, Outcome]:
    """Read the statuses that belong to anymail's "all recipients were refused"."""
    if not _is_anymail(error, "AnymailRecipientsRefused"):
        return {}
    return statuses(message if message is not None else getattr(error, "email_message", None))


def read(error: BaseException) -> Outcome | None:
    """Turn an error of an HTTP library, or of anymail, into an outcome."""
    if _is_anymail(error, "AnymailRecipientsRefused", "AnymailCancelSend"):
        return codes.outcome(Kind.PERMANENT, Stage.RECIPIENT, "refused by the provider")
    for name in "AnymailInvalidAddress", "AnymailUnsupportedFeature", "AnymailSerializationError":
        if _is_anymail(error, name):
            return codes.outcome(
                Kind.PERMANENT, Stage.MESSAGE, "message not accepted by the provider"
            )
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return _botocore(response)
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return _http(status, getattr(response, "headers", {}))
    return _unanswered(error)


def seconds(value: object) -> float | None:
    """Read a wait in seconds, an hour at most; None for what is none (it may be a date)."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return min(number, LONGEST_WAIT) if math.isfinite(number) and number >= 0 else None


def _http(status: int, headers: Mapping[str, Any]) -> Outcome:
    kind, phrase = Kind.PERMANENT, "request refused"
    if status == 429:
        kind, phrase = Kind.RATE_LIMITED, "too many requests"
    elif status in (401, 403):
        kind, phrase = Kind.CONFIGURATION, "credentials refused"
    elif status in _MAILERS:
        kind, phrase = Kind.CONFIGURATION, "account or address of the API refused"
    elif status == 408 or status >= 500:
        kind, phrase = Kind.TRANSIENT, "provider not available"
    elif status < 300:  # taken, but the answer could not be read
        kind, phrase = Kind.AMBIGUOUS, "answer to the request not understood"
    stage = Stage.ACCEPTED if kind is Kind.AMBIGUOUS else Stage.DATA
    wait = seconds(headers.get("Retry-After"))
    return codes.outcome(kind, stage, phrase, code=status, retry_after=wait)


def _botocore(response: Mapping[str, Any]) -> Outcome:
    code = str(response.get("Error", {}).get("Code", ""))
    if any(word in code for word in ("Throttl", "TooMany", "LimitExceeded")):
        return _http(429, {})
    return _http(int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)), {})


def _unanswered(error: BaseException) -> Outcome | None:
    """Find, in an error or in what it was made from, that a written request had no answer."""
    cause = error.__cause__ if _is_anymail(error, "AnymailAPIError") else None
    inner = (cause or error).args[:1] if isinstance(cause or error, OSError) else ()
    for raised in (error, cause, *inner):
        if _REPLY_LOST.intersection(kind.__name__ for kind in type(raised).__mro__):
            return codes.outcome(Kind.AMBIGUOUS, Stage.ACCEPTED, "answer to the request lost")
    if cause is not None:
        return codes.outcome(Kind.TRANSIENT, Stage.CONNECT, "provider not reached")
    return None


def _status(noted: object) -> Outcome:
    kind, stage, phrase = _STATUSES.get(getattr(noted, "status", None) or "", _STATUSES["unknown"])
    if kind is Kind.SENT:
        name = getattr(noted, "message_id", None)
        return Outcome(kind=kind, stage=stage, reason=phrase, queue_id=str(name) if name else None)
    return codes.outcome(kind, stage, phrase)


def _is_anymail(error: BaseException, *names: str) -> bool:
    exceptions = sys.modules.get("anymail.exceptions")
    return exceptions is not None and isinstance(
        error, tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))
    )
