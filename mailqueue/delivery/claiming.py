"""Claim windows and note what became of them, whatever the database does meanwhile."""

import itertools
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from django.db import close_old_connections

from mailqueue.delivery.follow_up import announce
from mailqueue.errors import LedgerError
from mailqueue.lanes import Lane
from mailqueue.ledger.claims import Claim, Claims
from mailqueue.log import logger, say
from mailqueue.outcome.settlement import Dead, Settlement

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger

# Seconds between two tries to note an outcome; the last one repeats until the lease is over. What
# was sent and is not noted is sent again, so there is nothing better to do meanwhile.
PAUSES = (0.1, 1.0, 5.0, 10.0)

# By mailer, the fences of claims of which nobody knows whether the database has made them.
unanswered: defaultdict[str, list[str]] = defaultdict(list)

Result = tuple[Claim, Settlement]


def note_and_claim(
    finished: tuple[Lane, Sequence[Result]] | None,
    lane: Lane | None = None,
    limit: int = 0,
    *,
    outlived: bool = False,
) -> Claims:
    """Note what became of one window and claim the next, in one transaction.

    What ends the process while the database is asked does not end it before the outcomes are noted.
    """
    fence = uuid.uuid4().hex
    if finished is None:
        return claim_first(lane, limit, fence, outlived=outlived) if lane else Claims()
    done, results = finished

    def claim() -> Claims:
        ledger = lane.kept() if lane else None
        return ledger.claim(limit=limit, outlived=outlived, fence=fence) if ledger else Claims()

    def disown() -> None:
        if lane:
            lane.kept().disown(fence)

    try:
        told, claims, defect = note(done, results, claim, disown)
    except LedgerError:
        raise
    except BaseException:
        leave(results, (), done)
        raise
    tell(results, told)
    if defect is not None:
        raise defect
    return claims


def claim_first(lane: Lane, limit: int, fence: str, *, outlived: bool) -> Claims:
    """Claim; what was claimed when the answer alone was lost must not wait for a lease."""
    ledger, fences = lane.kept(), unanswered[lane.mailer]
    disown_all(ledger, fences)
    try:
        return ledger.claim(limit=limit, outlived=outlived, fence=fence)
    except LedgerError:
        fences.append(fence)
        close_old_connections()
        with suppress(LedgerError):
            disown_all(ledger, fences)
        raise


def disown_all(ledger: "DatabaseLedger", fences: list[str]) -> None:
    """Give back what was claimed under these fences, and forget them."""
    while fences:
        fence = fences.pop()
        try:
            ledger.disown(fence)
        except LedgerError:
            fences.append(fence)
            raise


def note(
    done: Lane,
    results: Sequence[Result],
    claim: Callable[[], Claims],
    disown: Callable[[], None],
) -> tuple[list[Sequence[Dead] | None], Claims, Exception | None]:
    """Note, again and again while the database is away, as long as the lease lasts.

    The next window is claimed with the first try alone: what cannot be claimed must not keep this
    one from being noted. Returns what `finish` does, the claims, and what was wrong with claiming.
    """
    ledger = done.kept()
    ends = time.monotonic() + done.options.lease
    pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
    defect: Exception | None = None
    again = False
    while True:
        try:
            with ledger.together():
                told = ledger.finish(results)
                claims = Claims()
                if again:
                    disown()  # of the first try the answer may have been lost alone
                else:
                    claims = claim()
        except LedgerError as error:
            if time.monotonic() > ends:
                logger.error("Outcomes of %d mails could not be noted: %s.", len(results), error)
                raise
            close_old_connections()
            time.sleep(next(pauses))
        except Exception as error:
            if again:
                raise
            defect = error
        else:
            return told, claims, defect
        again = True


def leave(
    results: Sequence[Result], rest: Sequence[Claim], lane: Lane, gone: Collection[str] = ()
) -> None:
    """Note what is known, and give back the rest at once: in doubt is what may have gone."""
    ledger = lane.kept()
    try:
        told = ledger.finish(results)
        for claim in rest:
            ledger.release([claim], in_doubt=claim.envelope.id in gone)
    except LedgerError as error:
        logger.error("Mails in hand wait for the end of their lease: %s.", error)
    else:
        tell(results, told)


def tell(results: Sequence[Result], told: Sequence[Sequence[Dead] | None]) -> None:
    """Announce what became of claims, but for those that were lost meanwhile."""
    for (claim, settlement), dead in zip(results, told, strict=True):
        if dead is None:
            mailer, name = claim.envelope.mailer, claim.envelope.id
            say(logging.WARNING, "another worker has it", mailer=mailer, id=name)
        else:
            announce(settlement, dead)
