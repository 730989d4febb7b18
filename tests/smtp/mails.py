"""What the tests of this room share: messages, and a backend for a port."""

from typing import Any

from mailqueue.backends.smtp import EmailBackend
from mailqueue.mail import EmailMessage
from mailqueue.outcome.outcome import Outcomes

ME = "me@example.test"


def mail(*to: str, subject: str = "hello", body: str = "hello\n", **more: Any) -> EmailMessage:
    return EmailMessage(subject, body, more.pop("from_email", ME), to, **more)


def mails(number: int, prefix: str = "r") -> list[EmailMessage]:
    """Make so many, to r0@example.test, r1@..."""
    return [mail(f"{prefix}{index}@example.test") for index in range(number)]


def backend(port: int, **options: Any) -> EmailBackend:
    return EmailBackend(alias="test", host="127.0.0.1", port=port, **{"timeout": 20, **options})


def told(outcomes: list[Outcomes]) -> list[dict[str, str]]:
    """Write outcomes so that they can be compared: the name before the @, kind and stage."""
    return [
        {name.partition("@")[0]: f"{each.kind} {each.stage}" for name, each in of_one.items()}
        for of_one in outcomes
    ]
