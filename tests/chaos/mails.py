"""Mails for the chaos tests."""

from django.core.mail import EmailMessage


def message(name: str) -> EmailMessage:
    return EmailMessage("Hello", "Text.", "from@example.test", [name])


def names(number: int, prefix: str = "to") -> list[str]:
    """Return so many addresses."""
    return [f"{prefix}{each}@example.test" for each in range(number)]
