"""The meaning of SMTP replies (RFC 5321 section 4.2, RFC 3463, RFC 4954), as tables.

Pure: no socket, no exception classes. The text of a reply is looked at and never kept.
"""

import re
from typing import Any

from mailqueue.outcome.outcome import Kind, Outcome, Stage

CREDENTIALS = frozenset({530, 534, 535, 538})  # RFC 4954 section 6

_OF_PARAMETERS = frozenset({455, 500, 501, 502, 504, 555})

_CODES = {
    421: "service not available",
    432: "not accepted now",
    450: "mailbox unavailable",
    451: "error in processing",
    452: "insufficient storage",
    454: "temporary failure",
    455: "parameters not accepted now",
    500: "command not recognized",
    501: "parameters not accepted",
    502: "command not implemented",
    503: "commands out of order",
    504: "parameter not implemented",
    521: "host accepts no mail",
    530: "authentication required",
    534: "authentication mechanism too weak",
    535: "credentials refused",
    538: "encryption required",
    550: "mailbox unavailable",
    551: "user not local",
    552: "storage exceeded",
    553: "mailbox name not allowed",
    554: "transaction failed",
    555: "parameters not recognized",
    556: "domain accepts no mail",
}
_SUBJECTS = {  # RFC 3463 section 3, RFC 7505; more exact than the basic code
    "1.1": "no such mailbox",
    "1.2": "no such domain",
    "1.3": "bad mailbox address",
    "1.8": "bad sender address",
    "1.10": "domain accepts no mail",
    "2.1": "mailbox disabled",
    "2.2": "mailbox full",
    "2.3": "message too big for the mailbox",
    "3.2": "system accepts no mail now",
    "3.4": "message too big",
    "4.5": "system congestion",
    "5.3": "too many recipients",
    "6.7": "SMTPUTF8 needed",
    "7.1": "refused by policy",
    "7.8": "credentials refused",
    "7.12": "password transition needed",
}
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_RATE = re.compile(r"\brate\b|\bratelimit|throttl|too many|concurrent conn", re.IGNORECASE)
_GREYLIST = re.compile(r"gr[ae]y-?list", re.IGNORECASE)
# Our own name, which is the mailer's and no mail's. Postfix says it as late as at RCPT.
_GREETING_NAME = re.compile(r"\b(?:helo|ehlo) command rejected\b", re.IGNORECASE)
# There is no rule for the name that a server gives to a message: Postfix, Exim; SES and others.
_MARKERS = ("queued as ", "queued as: ", " id=")
_QUEUE_ID = re.compile(r"<?([\w.@+-]{1,100})")
_AFTER_OK = re.compile(r"(?:2\.\d\.\d )?ok:? ([\w.@+-]{8,100})", re.IGNORECASE)


def read(stage: Stage, code: int, text: str | bytes = "") -> Outcome:
    """Turn the reply that ended a delivery, for one recipient, into its outcome.

    An accepting code counts as sent only at the last stage: anywhere else it means that
    replies and commands are out of step.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    enhanced = enhanced_code(words)
    if stage is Stage.ACCEPTED and code == 250:
        return Outcome(
            kind=Kind.SENT,
            stage=stage,
            code=code,
            enhanced=enhanced,
            reason="accepted",
            queue_id=queue_id(words),
        )
    subject = enhanced.partition(".")[2] if enhanced else ""
    kind = _kind(stage, code, subject, words)
    phrase = _SUBJECTS.get(subject) or _CODES.get(code) or _phrase(code)
    if kind is Kind.CONFIGURATION and _GREETING_NAME.search(words):
        phrase = "host name of the sender refused"
    return outcome(kind, stage, phrase, code=code, enhanced=enhanced)


def is_about_parameters(code: int, text: str | bytes = "") -> bool:
    """Tell if a refusal of MAIL may be about what follows the address, not about the sender.

    552 is so only where it does not say itself that the message is too big.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    enhanced = enhanced_code(words)
    if code == 552:
        return enhanced is None
    about = enhanced is None or enhanced[2:].startswith("5.")
    return code in _OF_PARAMETERS and about and not _GREETING_NAME.search(words)


def outcome(kind: Kind, stage: Stage, phrase: str, **details: Any) -> Outcome:
    """Make an outcome whose reason is for people: what, and what it means for the mail."""
    reason = f"{phrase} ({kind.replace('_', ' ')})"
    return Outcome(kind=kind, stage=stage, reason=reason, **details)


def enhanced_code(text: str) -> str | None:
    """Find the enhanced status code that opens a reply (RFC 2034)."""
    found = _ENHANCED.match(text)
    return found[1] if found else None


def queue_id(text: str) -> str | None:
    """Find the server's own name of a message in the text that accepted it."""
    lower = text.lower()
    for marker in _MARKERS:
        start = lower.find(marker)
        if start >= 0 and (found := _QUEUE_ID.match(text, start + len(marker))):
            return found[1]
    found = _AFTER_OK.fullmatch(text)
    return found[1] if found else None


def _kind(stage: Stage, code: int, subject: str, text: str) -> Kind:
    if code == 421 or (code == 432 and subject == "3.2"):  # the latter is Office 365
        return Kind.RATE_LIMITED
    if 400 <= code <= 599 and _GREETING_NAME.search(text):
        return Kind.CONFIGURATION
    if 400 <= code <= 499:
        return _refused_for_now(stage, subject, text)
    if 500 <= code <= 599:
        return _refused_for_good(stage, code, subject)
    # Not the answer to this command. After the final dot the mail may have been taken.
    return Kind.AMBIGUOUS if stage is Stage.ACCEPTED else Kind.TRANSIENT


def _refused_for_now(stage: Stage, subject: str, text: str) -> Kind:
    if subject == "5.3" or subject.startswith(("1.", "2.")) or _GREYLIST.search(text):
        return Kind.TRANSIENT  # about this recipient, whatever words the text has
    if _RATE.search(text):
        return Kind.RATE_LIMITED
    if subject in {"7.0", "4.5"} and stage not in {Stage.AUTH, Stage.TLS}:
        return Kind.RATE_LIMITED
    return Kind.TRANSIENT


def _refused_for_good(stage: Stage, code: int, subject: str) -> Kind:
    if stage in {Stage.AUTH, Stage.TLS} or code in CREDENTIALS:
        return Kind.CONFIGURATION
    if stage is Stage.CONNECT:
        return Kind.TRANSIENT  # a host may be back tomorrow; Postfix smtp_skip_5xx_greeting
    if code == 552 and stage is Stage.RECIPIENT and subject not in {"2.2", "2.3", "3.4"}:
        return Kind.TRANSIENT  # RFC 5321 section 4.5.3.1.10: too many recipients
    if subject == "4.5":
        return Kind.RATE_LIMITED  # RFC 3463: "only useful as a persistent transient error"
    return Kind.PERMANENT


def _phrase(code: int) -> str:
    if 400 <= code <= 599:
        return "refused"
    return "reply out of order" if 200 <= code <= 399 else "reply not understood"
