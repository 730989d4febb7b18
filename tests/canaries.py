"""Words that stand in a mail and in secrets, and are looked for where nobody is to see them."""

import base64
import re
from typing import Any

SUBJECT, BODY, ATTACHED = "subject-7c3e", "body-4f1e", "attached-5d27"
FILE_NAME = "file-name-9e0b.txt"
RECIPIENT, SENDER = "recipient-6b2a@example.test", "sender-2c81@example.test"
PASSWORD, OAUTH_TOKEN = "password-93cc", "oauth-token-41d7"
SIGNING_KEY = "signing-key-e6a5"
ENCRYPTION_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CANARIES = (
    *(SUBJECT, BODY, ATTACHED, FILE_NAME.partition(".")[0]),
    *(RECIPIENT.partition("@")[0], SENDER.partition("@")[0]),
    *(PASSWORD, OAUTH_TOKEN, SIGNING_KEY, ENCRYPTION_KEY),
)

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")


def found(text: str) -> set[str]:
    """Return the canaries in a text, plain or in what it has of base64."""
    plain = [text, *(decoded(each) for each in _BASE64.findall(text))]
    return {canary for canary in CANARIES for each in plain if canary in each}


def decoded(text: str) -> str:
    """Return what a run of base64 says, wherever in it that begins."""
    text = text.replace("-", "+").replace("_", "/")
    ways = [text[start:] for start in range(4)]
    whole = [way[:-1] if len(way) % 4 == 1 else way for way in ways]
    return " ".join(base64.b64decode(f"{way}===").decode("latin-1") for way in whole)


def message() -> Any:
    """Return a message that is full of canaries; a caller need not hold one itself."""
    from mailqueue.mail import EmailMessage

    made = EmailMessage(SUBJECT, BODY, SENDER, [RECIPIENT])
    made.attach(FILE_NAME, ATTACHED, "text/plain")
    return made


def arguments() -> tuple[Any, ...]:
    """Return what `send_mail()` takes."""
    return SUBJECT, BODY, SENDER, [RECIPIENT]


def message_of_two_lines() -> Any:
    """Return one with a line break in its subject."""
    made = message()
    made.subject += f"\n{RECIPIENT}"
    return made


def message_that_cannot_be_carried() -> Any:
    """Return one with a value in `metadata`, an extra attribute, that nothing can carry."""
    made = message()
    made.metadata = object()
    return made
