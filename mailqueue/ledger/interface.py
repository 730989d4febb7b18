"""What every ledger does, what one that keeps mails does besides, and `NoLedger`: no ledger."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from mailqueue.errors import LedgerError
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope
from mailqueue.wire.reference import Reference

# A mail whose worker died this often without an outcome kills workers: it is given up.
MAX_CLAIMS = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An envelope that nobody else may deliver until its lease ends.

    ``fence`` names this claim among all that were ever made. ``doomed`` is the reason not to try
    it again. ``wait``: not granted, and whoever holds it may die; ask again after these seconds.
    ``handed`` counts the times it was handed to a target and no answer became known.
    """

    envelope: Envelope
    fence: str = ""
    doomed: str = ""
    wait: float = 0.0
    handed: int = 0


def doom(*, claims: int, handed: int, most_handed: int) -> str:
    """Return why a mail that was claimed so often must not be tried again, if so."""
    if handed > most_handed:
        return "its worker died while sending it; it may have arrived"
    if claims > MAX_CLAIMS:
        return f"its worker died {MAX_CLAIMS} times"
    return ""


@contextmanager
def asking(*errors: type[Exception]) -> Iterator[None]:
    """Raise `LedgerError` for what a store raises when it is away, or asks to try again."""
    try:
        yield
    except errors as error:
        raise LedgerError(type(error).__name__) from None


class Ledger(ABC):
    """Claims, leases and marks, by the store's own clock; `LedgerError` when it cannot be asked."""

    # Whether it keeps retries and dead letters; if not, they are the broker's.
    durable: ClassVar[bool] = False

    # Whether each mail is handed over and finished before the next, so that a crash leaves one.
    singly: ClassVar[bool] = True

    @abstractmethod
    def claim(self, items: Sequence[Envelope | Reference]) -> list[Claim]:
        """Claim each; leave out what is finished, waits, or is another's and safe there."""

    @abstractmethod
    def hand_over(self, claim: Claim) -> bool:
        """Note that the target gets it now, and renew the lease; False if the claim was lost."""

    @abstractmethod
    def finish(self, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
        """Note what became of it, and end the lease.

        Returns the dead letters under the ids by which they are known from now on; None if the
        claim was lost, and with it the say.
        """


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A kept mail to be published; ``alone`` if it may have killed its worker."""

    id: str
    mailer: str
    alone: bool


class DurableLedger(Ledger):
    """A ledger that keeps the mails, so that losing the broker loses none."""

    durable = True
    database: str  # alias of the connection whose transactions it takes part in

    @abstractmethod
    def record(self, envelopes: Sequence[tuple[Envelope, str]]) -> list[str]:
        """Keep envelopes with their packed text; return the ids to be published now.

        One whose id is known already is left as it is.
        """

    @abstractmethod
    def known(self, ids: Collection[str]) -> set[str]:
        """Return those of the ids that are kept, finished or not."""

    @abstractmethod
    def due(self, mailers: Collection[str], *, limit: int) -> list[Due]:
        """Take what is to be published now; no other relay gets the same."""

    @abstractmethod
    def not_published(self, ids: Sequence[str]) -> None:
        """Make due again what could not be published."""

    @abstractmethod
    def cancel(self, id: str) -> bool:  # noqa: A002
        """Cancel a mail that no target has been handed; False if it is too late."""

    @abstractmethod
    def requeue(self, ids: Sequence[str]) -> int:
        """Queue dead letters anew, as if never tried; return how many there were."""

    @abstractmethod
    def oldest(self) -> datetime | None:
        """Return when the oldest mail was queued whose content may still be needed."""

    @abstractmethod
    def purge(self, *, limit: int) -> int:
        """Delete at most so many mails that were kept long enough; return how many."""


class NoLedger(Ledger):
    """Nothing is noted: whatever comes from the broker is delivered."""

    singly = False

    def claim(self, items: Sequence[Envelope | Reference]) -> list[Claim]:
        return [Claim(envelope=item) for item in items if isinstance(item, Envelope)]

    def hand_over(self, claim: Claim) -> bool:
        return True

    def finish(self, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
        return settlement.dead
