"""Whether a mailer may be tried now: freely, not before a time, or with one mail to see. Pure.

A wrong password concerns every mail, and so does a relay that is down: trying each would lock the
account, and charge mails for what they cannot help. So the mailer pauses, and one mail probes it
when the pause ends.
"""

import dataclasses
from collections.abc import Iterable

from mailqueue.outcome.outcome import Outcome, is_mailers

SHORTEST = 30.0
LONGEST = 600.0


@dataclasses.dataclass(kw_only=True, slots=True)
class Breaker:
    """The state of one mailer in one process; times are Unix seconds.

    Failures in a row double the pause from 30 s to 10 min; the target may ask for a longer one.
    """

    failures: int = 0
    paused_until: float = 0.0

    def allowance(self, now: float) -> int | None:
        """Return how many mails may be tried; None is any number."""
        if not self.failures:
            return None
        return 0 if now < self.paused_until else 1

    def note(self, outcomes: Iterable[Outcome], now: float) -> Outcome | None:
        """Learn from the outcomes of one mail; return the one that starts a pause, if any."""
        pausing = None
        for outcome in outcomes:
            if is_mailers(outcome):
                pausing = outcome
        if pausing is None:
            self.failures = 0
        elif now >= self.paused_until:
            self.failures += 1
            pause = min(SHORTEST * 2 ** min(self.failures - 1, 10), LONGEST)
            self.paused_until = now + max(pause, pausing.retry_after or 0.0)
            return pausing
        return None
