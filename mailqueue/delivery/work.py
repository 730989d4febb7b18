"""What a worker does when the doorbell rings: claim, deliver, note, window by window.

In hand is what is claimed, and what is claimed is about to be handed to the target: so a crash
leaves at most one window of which nobody knows.
"""

import functools
import itertools
import time
from collections.abc import Callable, Sequence

from mailqueue.delivery.claiming import Result, leave, note_and_claim
from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.frames import place_of
from mailqueue.lanes import Lane, lanes_on
from mailqueue.ledger.claims import Claim
from mailqueue.ledger.selection import APP, is_installed
from mailqueue.log import logger
from mailqueue.outcome.outcome import Kind
from mailqueue.outcome.settlement import given_up
from mailqueue.wire.envelope import Envelope

# Seconds of work after which other tasks of the worker have their turn.
TURN = 0.1

# Seconds that a worker rests when no lane had a window full of mails: those that come meanwhile
# share a window, whose two commits cost more than a mail in it does.
REST = 0.005

# The mailer that had the last window of each queue. A turn may end after one window, and the next
# one must not begin with the same mailer again.
last_served: dict[str, str] = {}


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
    idle, scarce, rung = 0, 0, False  # lanes in a row with nothing, and with few mails
    for lane in itertools.cycle(lanes):
        if idle == len(lanes):
            return None
        limit, outlived = allowance(lane)
        claims = note_and_claim(finished, lane, limit, outlived=outlived)
        finished = None
        scarce = scarce + 1 if claims.found < limit else 0
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
        if finished and scarce >= len(lanes):
            rest(finished)
    return None


def rest(finished: tuple[Lane, list[Result]]) -> None:
    """Wait a moment; what ends the process meanwhile does not before the outcomes are noted."""
    try:
        time.sleep(REST)
    except BaseException:
        note_and_claim(finished)
        raise


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
