"""What a worker does when the doorbell rings: claim, deliver, note, window by window.

In hand is what is claimed, and what is claimed is about to be handed to the target: so a crash
leaves at most one window of which nobody knows.
"""

import itertools
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.db import close_old_connections

from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.delivery.follow_up import announce
from mailqueue.errors import LedgerError
from mailqueue.lanes import Lane, lanes_on
from mailqueue.ledger.claims import Claim, Claims
from mailqueue.ledger.selection import is_installed
from mailqueue.outcome.outcome import Kind
from mailqueue.outcome.settlement import Dead, Settlement, given_up

# Seconds of work after which other tasks of the worker have their turn.
TURN = 0.1

# Seconds between two tries to note an outcome; the last one repeats until the lease is over. What
# was sent and is not noted is sent again, so there is nothing better to do meanwhile.
PAUSES = (0.1, 1.0, 5.0, 10.0)

# The mailer that had the last window of each queue. A turn may end after one window, and the next
# one must not begin with the same mailer again.
last_served: dict[str, str] = {}

Result = tuple[Claim, Settlement]

logger = logging.getLogger("mailqueue")


def work(queue: str, *, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Deliver what is due in the lanes of a queue, for one turn; tell whether mail may be left.

    Lanes have a window each in turn, so that a list on one of them hardly delays the others. The
    first window that is full rings for one more worker. Raises `LedgerError`.
    """
    lanes = in_turn(queue) if is_installed() else []  # what is kept stays so at any level
    ends = time.monotonic() + TURN
    finished: tuple[Lane, list[Result]] | None = None
    idle, rung = 0, False
    for lane in itertools.cycle(lanes):
        if idle == len(lanes):
            return False
        limit, outlived = allowance(lane)
        claims = note_and_claim(finished, lane, limit, outlived=outlived)
        finished = None
        if not claims.found:
            idle += 1
            continue
        idle = 0
        last_served[queue] = lane.mailer
        if not rung and claims.found == lane.options.batch_size > 1:
            rung = lane.ring(unless_some=True)
        if claims:
            finished = lane, deliver_claims(claims, lane)
        if time.monotonic() >= ends or stopping():
            note_and_claim(finished)
            return True
    return False


def in_turn(queue: str) -> list[Lane]:
    """Return the lanes of a queue, first the one that follows the last one served."""
    lanes = lanes_on(queue)
    names = [lane.mailer for lane in lanes]
    served = last_served.get(queue)
    first = names.index(served) + 1 if served in names else 0
    return lanes[first:] + lanes[:first]


def allowance(lane: Lane) -> tuple[int, bool]:
    """Return how many mails may be claimed, and whether only those whose time is over."""
    allowed = breakers[lane.options.using].allowance(time.time())
    if allowed == 0:
        return lane.options.batch_size, True
    return min(allowed or lane.options.batch_size, lane.options.batch_size), False


def deliver_claims(claims: Sequence[Claim], lane: Lane) -> list[Result]:
    """Return what became of each claim; on the way out of the process, note what is known."""
    over = min(claim.until for claim in claims)
    results: list[Result] = [
        (claim, given_up(claim.envelope, claim.doomed, Kind.AMBIGUOUS))
        for claim in claims
        if claim.doomed
    ]
    of = {claim.envelope.id: claim for claim in claims if not claim.doomed}
    envelopes = [claim.envelope for claim in of.values()]
    try:
        for settlement in deliver(envelopes, lane, may_go=lambda: time.monotonic() < over):
            results.append((of.pop(settlement.envelope.id), settlement))
    except BaseException:
        leave(results, list(of.values()), lane)
        raise
    return results


def leave(results: Sequence[Result], rest: Sequence[Claim], lane: Lane) -> None:
    """Note what is known, and give back the rest, of which nobody knows, at once."""
    ledger = lane.kept()
    try:
        told = ledger.finish(results)
        ledger.release(rest, in_doubt=True)
    except LedgerError as error:
        logger.error("Mails in hand wait for the end of their lease: %s.", error)
    else:
        tell(results, told)


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
    if finished is None:
        return claim_first(lane, limit, outlived=outlived) if lane else Claims()
    done, results = finished
    try:
        told, claims = note(done, results, lane, limit, outlived=outlived)
    except LedgerError:
        raise
    except BaseException:
        leave(results, (), done)
        raise
    tell(results, told)
    return claims


def claim_first(lane: Lane, limit: int, *, outlived: bool) -> Claims:
    """Claim; what was claimed when the answer alone was lost must not wait for a lease."""
    fence = uuid.uuid4().hex
    try:
        return lane.kept().claim(limit=limit, outlived=outlived, fence=fence)
    except LedgerError:
        close_old_connections()
        with suppress(LedgerError):
            lane.kept().disown(fence)
        raise


def note(
    done: Lane, results: Sequence[Result], lane: Lane | None, limit: int, *, outlived: bool
) -> tuple[list[Sequence[Dead] | None], Claims]:
    """Note and claim, again and again while the database is away, as long as the lease lasts."""
    ledger = done.kept()
    ends = time.monotonic() + done.options.lease
    pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
    fence, claims = uuid.uuid4().hex, Claims()
    again = False
    while True:
        try:
            with ledger.together():
                told = ledger.finish(results)
                if lane and again:
                    lane.kept().disown(fence)
                if lane:
                    claims = lane.kept().claim(limit=limit, outlived=outlived, fence=fence)
        except LedgerError as error:
            if time.monotonic() > ends:
                logger.error("Outcomes of %d mails could not be noted: %s.", len(results), error)
                raise
            close_old_connections()
            time.sleep(next(pauses))
            again = True
        else:
            return told, claims


def tell(results: Sequence[Result], told: Sequence[Sequence[Dead] | None]) -> None:
    """Announce what became of claims, but for those that were lost meanwhile."""
    for (claim, settlement), dead in zip(results, told, strict=True):
        if dead is None:
            logger.warning("Mail %s: another worker has it.", claim.envelope.id)
        else:
            announce(settlement, dead)
