"""What a worker holds of the ledger, and the error when that cannot be asked."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager

from mailqueue.errors import LedgerError
from mailqueue.wire.envelope import Envelope


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An envelope that nobody else may deliver until its lease ends.

    ``fence`` names the window of claims among all that were ever made. ``handed`` counts the
    claims before this one of which no outcome became known; ``doomed`` is the reason not to try
    the mail again after them. The lease is over at ``until``, by `time.monotonic`.
    """

    envelope: Envelope
    fence: str
    handed: int = 0
    doomed: str = ""
    until: float = math.inf


class Claims(list[Claim]):
    """The claims of one window; ``found`` counts also the mails that this worker cannot open."""

    found: int = 0


def doom(*, handed: int, most: int) -> str:
    """Return why a mail with so many unknown outcomes must not be tried again, if so."""
    return "its worker died while sending it; it may have arrived" if handed > most else ""


@contextmanager
def asking(*errors: type[Exception]) -> Iterator[None]:
    """Raise `LedgerError` for what a store raises when it is away, or asks to try again."""
    try:
        yield
    except errors as error:
        raise LedgerError(type(error).__name__) from None
