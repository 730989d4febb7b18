"""What a worker does when the doorbell rings: claim, deliver, note, window by window.

In hand is what is claimed, and what is claimed is about to be handed to the target: so a crash
leaves at most one window of which nobody knows.
"""

import functools
import itertools
import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from django.db import close_old_connections

from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.delivery.follow_up import announce
from mailqueue.errors import LedgerError
from mailqueue.frames import place_of
from mailqueue.lanes import Lane, lanes_on
from mailqueue.ledger.claims import Claim, Claims
from mailqueue.ledger.selection import APP, is_installed
from mailqueue.log import logger, say
from mailqueue.outcome.outcome import Kind
from mailqueue.outcome.settlement import Dead, Settlement, given_up
from mailqueue.wire.envelope import Envelope

# Seconds of work after which other tasks of the worker have their turn.
TURN = 0.1

# Seconds between two tries to note an outcome; the last one repeats until the lease is over. What
# was sent and is not noted is sent again, so there is nothing better to do meanwhile.
PAUSES = (0.1, 1.0, 5.0, 10.0)

# The mailer that had the last window of each queue. A turn may end after one window, and the next
# one must not begin with the same mailer again.
last_served: dict[str, str] = {}

Result = tuple[Claim, Settlement]


def work(queue: str, *, stopping: Callable[[], bool] = lambda: False) -> Lane | None:
    """Deliver what is due in the lanes of a queue, for one turn.

    Lanes have a window each in turn, so that a list on one of them hardly delays the others. The
    first window that is full may be of a list, and rings for one more worker before it goes: where
    the relay is far away it may take long. Returns a lane that may have more, or None. Raises
    `LedgerError`.
    """
    if not is_installed():
        tell_no_ledger()
        return None
    lanes = in_turn(queue)  # what is kept stays so at any level
    ends = time.monotonic() + TURN
    finished: tuple[Lane, list[Result]] | None = None
    idle, rung = 0, False
    for lane in itertools.cycle(lanes):
        if idle == len(lanes):
            return None
        limit, outlived = allowance(lane)
        claims = note_and_claim(finished, lane, limit, outlived=outlived)
        finished = None
        if not claims.found:
            idle += 1
            continue
        idle = 0
        last_served[queue] = lane.mailer
        if claims.found == lane.options.batch_size and not rung:
            rung = True
            lane.ring(unless_some=True)
        if claims:
            finished = lane, deliver_claims(claims, lane)
        if time.monotonic() >= ends or stopping():
            note_and_claim(finished)
            return lane
    return None


def in_turn(queue: str) -> list[Lane]:
    """Return the lanes of a queue, first the one that follows the last one served."""
    lanes = lanes_on(queue)
    names = [lane.mailer for lane in lanes]
    served = last_served.get(queue)
    first = names.index(served) + 1 if served in names else 0
    return lanes[first:] + lanes[:first]


@functools.cache
def tell_no_ledger() -> None:
    """Say once that this worker cannot do what it is asked for."""
    logger.error("Mail that is kept is due, and this worker has no ledger: %r is missing.", APP)


def allowance(lane: Lane) -> tuple[int, bool]:
    """Return how many mails may be claimed, and whether only those whose time is over."""
    allowed = breakers[lane.options.using].allowance(time.time())
    if allowed == 0:
        return lane.options.batch_size, True
    return min(allowed or lane.options.batch_size, lane.options.batch_size), False


def deliver_claims(claims: Sequence[Claim], lane: Lane) -> list[Result]:
    """Return what became of each claim; on the way out of the process, note what is known."""
    over = min(claim.until for claim in claims)

    gone: set[str] = set()

    def may_go(envelope: Envelope, seconds: float) -> bool:
        # A lease that is too short for any mail is told at the start; some must go all the same.
        seconds = min(seconds, 0.9 * lane.options.lease)
        goes = time.monotonic() + seconds < over
        if goes:
            gone.add(envelope.id)
        return goes

    results: list[Result] = [
        (claim, given_up(claim.envelope, claim.doomed, Kind.AMBIGUOUS))
        for claim in claims
        if claim.doomed
    ]
    of = {claim.envelope.id: claim for claim in claims if not claim.doomed}
    envelopes = [claim.envelope for claim in of.values()]
    try:
        for settlement in deliver(envelopes, lane, may_go=may_go):
            results.append((of.pop(settlement.envelope.id), settlement))
    except BaseException as error:
        defect = place_of(error) if isinstance(error, Exception) else ""
        del error  # whoever hears the lines may look at the variables here
        leave(results, list(of.values()), lane, gone)
        if defect:
            logger.error("A window failed: %s.", defect)
        raise
    return results


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
    try:
        return lane.kept().claim(limit=limit, outlived=outlived, fence=fence)
    except LedgerError:
        close_old_connections()
        with suppress(LedgerError):
            lane.kept().disown(fence)
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


def tell(results: Sequence[Result], told: Sequence[Sequence[Dead] | None]) -> None:
    """Announce what became of claims, but for those that were lost meanwhile."""
    for (claim, settlement), dead in zip(results, told, strict=True):
        if dead is None:
            mailer, name = claim.envelope.mailer, claim.envelope.id
            say(logging.WARNING, "another worker has it", mailer=mailer, id=name)
        else:
            announce(settlement, dead)
