"""What an exception of a target means for each recipient. Pure.

The most specific class comes first: every exception of smtplib is an OSError, and a certificate
that does not verify is a ValueError too. No text of an exception is kept: it may hold addresses.
"""

import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from email.errors import MessageError
from functools import partial
from typing import Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from mailqueue.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TookTooLong,
    TransientDeliveryError,
)
from mailqueue.expectations import unexpected
from mailqueue.outcome import apis, codes, traces
from mailqueue.outcome.marks import IN_OPENING, is_time_limit
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.report import by_address, valid_outcomes

# However often it comes, it says nothing of a message.
OVER = codes.outcome(Kind.TRANSIENT, Stage.DATA, "time limit of the task")

_OPENING = frozenset({Stage.CONNECT, Stage.TLS, Stage.AUTH})


class Classify(Protocol):
    """Says what an exception that a target raised means, for each recipient."""

    def __call__(
        self, error: BaseException, recipients: Sequence[str], message: EmailMessage | None = None
    ) -> dict[str, Outcome]: ...


def classify(
    error: BaseException, recipients: Sequence[str], message: EmailMessage | None = None
) -> dict[str, Outcome]:
    """Say what an exception that a target raised means, for each recipient.

    What was raised within ``opening()`` is no fault of any message, whatever it is. Whatever is in
    the exception, it is said in outcomes that a ledger can hold.
    """
    try:
        outcomes = _classified(error, recipients, message)
    except Exception:  # noqa: BLE001 (an error with odd parts: a code that is a text)
        outcomes = dict.fromkeys(recipients, _unknown(error))
    return valid_outcomes(outcomes, recipients)


def _classified(
    error: BaseException, recipients: Sequence[str], message: EmailMessage | None
) -> dict[str, Outcome]:
    if hasattr(error, IN_OPENING):
        return dict.fromkeys(recipients, of_opening(_outcome(error)))
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refused(error.recipients, recipients)
    if statuses := apis.refused(error, message):
        return by_address(statuses, recipients, _outcome(error))
    return dict.fromkeys(recipients, _outcome(error))


def of_opening(outcome: Outcome) -> Outcome:
    """Say what a failure means when it happened before any message was named.

    The password, the token and the relay are the mailer's: nothing here is permanent, counts as
    an error of the mail, or may have delivered it.
    """
    stage = outcome.stage if outcome.stage in _OPENING else Stage.CONNECT
    unknown = outcome.kind is Kind.TRANSIENT and outcome.stage is Stage.UNKNOWN
    if outcome.kind is Kind.PERMANENT or unknown:
        return codes.outcome(
            Kind.CONFIGURATION, stage, "mailer cannot be opened", **_numbers(outcome)
        )
    if outcome.kind is Kind.AMBIGUOUS:
        return codes.outcome(Kind.TRANSIENT, stage, "mailer not opened", **_numbers(outcome))
    return replace(outcome, stage=stage)


def _numbers(of: Outcome | DeliveryError) -> dict[str, Any]:
    return {"code": of.code, "enhanced": of.enhanced, "retry_after": of.retry_after}


def classifier(path: str | None) -> Classify:
    """Return what classifies the errors of a target: `classify`, or first the function at `path`.

    Raises ValueError for a path that cannot be imported or called.
    """
    if path is None:
        return classify
    try:
        own = import_string(path)
    except ImportError:
        own = None
    if not callable(own):
        raise unexpected("classifier", path, "the dotted path of a function")

    def classify_first(
        error: BaseException, recipients: Sequence[str], message: EmailMessage | None = None
    ) -> dict[str, Outcome]:
        ours = classify(error, recipients, message)
        try:
            told = own(error, recipients, message)
        except Exception:  # noqa: BLE001 (it was asked about a failure; its own must not lose the mail)
            return ours
        return ours | valid_outcomes(told, recipients)

    return classify_first


def _outcome(error: BaseException) -> Outcome:
    if traces.reply_lost(error):
        return codes.outcome(Kind.AMBIGUOUS, Stage.ACCEPTED, "answer to the message lost")
    for reader in _READERS:
        if outcome := reader(error):
            about_one = outcome.stage is Stage.CONNECT and traces.in_transaction(error)
            return replace(outcome, stage=Stage.DATA) if about_one else outcome
    return _unknown(error)


def _unknown(error: BaseException) -> Outcome:
    # The name of the class is all that can be told without its text.
    return codes.outcome(Kind.TRANSIENT, Stage.UNKNOWN, f"unknown error {type(error).__name__}")


def _own(error: BaseException) -> Outcome | None:
    if not isinstance(error, DeliveryError):
        return None
    kind, phrase = Kind.TRANSIENT, "refused for now by the target"
    if isinstance(error, PermanentDeliveryError):
        kind, phrase = Kind.PERMANENT, "refused by the target"
    elif error.code in (421, 429):
        kind, phrase = Kind.RATE_LIMITED, "too many messages"
    elif not isinstance(error, TransientDeliveryError) and error.code is not None:
        kind = codes.read(Stage.DATA, error.code).kind
    numbers = _numbers(error) | {"retry_after": apis.seconds(error.retry_after)}
    return codes.outcome(kind, Stage.DATA, phrase, **numbers)


def _configuration(error: BaseException) -> Outcome | None:
    if isinstance(error, ImproperlyConfigured):  # InvalidMailer, MailerDoesNotExist
        return codes.outcome(Kind.CONFIGURATION, Stage.CONNECT, "mailer not configured properly")
    if isinstance(error, ImportError):
        return codes.outcome(Kind.CONFIGURATION, Stage.CONNECT, "module of the mailer not found")
    if isinstance(error, ssl.SSLCertVerificationError):
        return codes.outcome(Kind.CONFIGURATION, Stage.TLS, "certificate not verified")
    if isinstance(error, ValueError) and traces.in_request_head(error):
        return codes.outcome(Kind.CONFIGURATION, Stage.CONNECT, "request cannot be made")
    return None


def _smtp(error: BaseException) -> Outcome | None:
    if isinstance(error, smtplib.SMTPResponseException):
        return codes.read(_stage(error), error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return codes.outcome(Kind.CONFIGURATION, Stage.CONNECT, "server lacks a needed extension")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return codes.outcome(Kind.TRANSIENT, Stage.CONNECT, "connection lost")
    if type(error) is smtplib.SMTPException:  # smtplib's login() alone raises the bare class
        return codes.outcome(Kind.CONFIGURATION, Stage.AUTH, "no common authentication mechanism")
    return None


def _content(error: BaseException) -> Outcome | None:
    if isinstance(error, TookTooLong):
        return codes.outcome(Kind.PERMANENT, Stage.MESSAGE, "message takes too long to make")
    # "unknown encoding" is a bare LookupError
    if isinstance(error, ValueError | MessageError) or type(error) is LookupError:
        return codes.outcome(Kind.PERMANENT, Stage.MESSAGE, "message cannot be made")
    return None


def _limit(error: BaseException) -> Outcome | None:
    return OVER if is_time_limit(error) else None


def _network(error: BaseException) -> Outcome | None:
    if isinstance(error, ssl.SSLError):
        return codes.outcome(Kind.TRANSIENT, Stage.TLS, "TLS failed")
    if isinstance(error, TimeoutError):
        return codes.outcome(Kind.TRANSIENT, Stage.CONNECT, "timed out")
    if isinstance(error, OSError):
        return codes.outcome(Kind.TRANSIENT, Stage.CONNECT, "connection failed")
    return None


_READERS: tuple[Callable[[BaseException], Outcome | None], ...] = (
    _limit,
    _own,
    _configuration,
    _smtp,
    apis.read,
    _network,  # before _content: no ssl.SSLError is about the message
    _content,
)


def _stage(error: smtplib.SMTPResponseException) -> Stage:
    if isinstance(error, smtplib.SMTPSenderRefused):
        return Stage.SENDER
    if isinstance(error, smtplib.SMTPDataError):
        return Stage.DATA
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Stage.AUTH
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError):
        return Stage.CONNECT
    return Stage.TLS  # smtplib's starttls() alone raises the bare class


def _refused(
    replies: Mapping[str, tuple[int, bytes]], recipients: Sequence[str]
) -> dict[str, Outcome]:
    read = partial(codes.read, Stage.RECIPIENT)
    outcomes = {address: read(code, text) for address, (code, text) in replies.items()}
    rest = codes.outcome(Kind.TRANSIENT, Stage.RECIPIENT, "not tried, others were refused")
    for outcome in outcomes.values():
        if outcome.kind is Kind.RATE_LIMITED:
            rest = outcome
    return by_address(outcomes, recipients, rest)
