"""The mails of a cell, by their numbers: what each is, and for whom."""

import hashlib
from collections.abc import Iterable, Iterator

from django.core.mail import EmailMessage

from tests.canaries import ATTACHED, BODY, FILE_NAME, RECIPIENT, SENDER, SUBJECT

WHO = RECIPIENT.partition("@")[0]
LIST = 6  # mails of every fifth call; the others send one


def addresses(number: int) -> list[str]:
    """Return who gets it: all but the first are cc and bcc, of some mails."""
    count = 1 + (number % 3 == 0) + (number % 5 == 0)
    return [f"{WHO}.r{each}.m{number}@example.test" for each in range(count)]


def message(number: int) -> EmailMessage:
    to, *others = addresses(number)
    cc = [others.pop(0)] if number % 3 == 0 else []
    made = EmailMessage(f"{SUBJECT} {number}", f"{BODY} {number}", SENDER, [to], cc=cc, bcc=others)
    if number % 7 == 0:
        made.attach(FILE_NAME, f"{ATTACHED} {number}", "text/plain")
    return made


def fingerprint(number: int) -> str:
    """Return the hash of what a recipient must find in it."""
    attached = [f"{ATTACHED} {number}"] if number % 7 == 0 else []
    return hash_of([f"{SUBJECT} {number}", f"{BODY} {number}", *attached])


def hash_of(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def calls(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Divide mails into the calls that send them."""
    left, turn = [*numbers], 0
    while left:
        turn += 1
        size = LIST if turn % 5 == 0 else 1
        yield left[:size]
        left = left[size:]
