"""Whether the times of a lane fit each other, asked before the first mail is sent."""

from mailqueue.lanes import Lane
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class


def lease_fault(lane: Lane) -> str:
    """Say that the lease is too short for one mail; "" if it is not, or nobody knows."""
    lease = lane.options.lease
    if lane.ledger is None or lease > (longest := longest_of(lane)):
        return ""
    return f"'lease' must be a number of seconds above {needed(lane, longest)}, got {lease:.0f}"


def visibility_fault(lane: Lane, seconds: float) -> str:
    """Say that Redis gives away a task of this lane before it can have handed over one mail.

    With the ledger such a task is a ring, which may come twice.
    """
    if lane.ledger is not None or seconds > (longest := longest_of(lane)):
        return ""
    return (
        "'visibility_timeout' of the broker must be a number of seconds above"
        f" {needed(lane, longest)}, got {seconds:.0f}"
    )


def longest_of(lane: Lane) -> float:
    """Return the seconds that one mail can take through the target; 0 if it does not know.

    A target that has ``longest()`` does.
    """
    config = mailers.settings.get(lane.options.using)
    if config is None:
        return 0.0
    try:
        knows = hasattr(backend_class(lane.options.using, config), "longest")
        return float(mailers[lane.options.using].longest()) if knows else 0.0  # type: ignore[attr-defined]
    except InvalidMailer:  # told elsewhere
        return 0.0


def needed(lane: Lane, longest: float) -> str:
    return (
        f"{longest:.0f}, which one mail may take through {lane.options.using!r} ('deadline' and"
        " 'final_timeout')"
    )
