"""Whether the times of a lane fit each other, asked before the first mail is sent."""

from mailqueue.lanes import Lane
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class


def lease_fault(lane: Lane) -> str:
    """Say that the lease is too short for one mail; "" if it is not, or the target does not know.

    A target that has ``longest()`` tells how many seconds one mail can take.
    """
    config = mailers.settings.get(lane.options.using)
    if lane.ledger is None or config is None:
        return ""
    try:
        knows = hasattr(backend_class(lane.options.using, config), "longest")
        longest = float(mailers[lane.options.using].longest()) if knows else 0.0  # type: ignore[attr-defined]
    except InvalidMailer:  # told elsewhere
        return ""
    if lane.options.lease > longest:
        return ""
    return (
        f"'lease' must be a number of seconds above {longest:.0f}, which one mail may take through "
        f"{lane.options.using!r} ('deadline' and 'final_timeout'), got {lane.options.lease:.0f}"
    )
