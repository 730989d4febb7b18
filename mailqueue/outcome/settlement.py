"""What one attempt at an envelope came to: who is tried again, and who is given up. Pure."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from mailqueue.outcome.outcome import Kind, Outcome, Outcomes, Stage
from mailqueue.outcome.retry import GiveUp, Later, RetryPolicy, decide
from mailqueue.wire.envelope import Envelope


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dead:
    """An envelope given up, for the recipients that it names."""

    envelope: Envelope
    outcome: Outcome
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What one attempt at an envelope came to.

    `again` is the envelope of those recipients that are tried once more, at its `due_at`.
    """

    envelope: Envelope
    outcomes: Outcomes = dataclasses.field(repr=False)  # by address
    again: Envelope | None
    dead: tuple[Dead, ...]
    untried: str = ""  # why it was not tried, if it was not and is to be
    began_at: float = 0.0  # Unix time of the attempt
    ended_at: float = 0.0

    @property
    def attempts(self) -> int:
        """How many attempts were made, this one included, but for those that are not charged."""
        return self.envelope.attempts + bool(self.outcomes)

    @property
    def outcome(self) -> Outcome | None:
        """What to tell of the attempt as a whole: a failure, if any recipient met one."""
        told = sorted(self.outcomes.values(), key=lambda outcome: outcome.kind is Kind.SENT)
        return next(iter(told), None)

    @property
    def cause(self) -> Outcome | None:
        """Why it is to be tried again: the outcome of one of those recipients."""
        names = self.again.recipients if self.again else None
        return next((self.outcomes[name] for name in names or () if name in self.outcomes), None)


def given_up(envelope: Envelope, reason: str, kind: Kind = Kind.PERMANENT) -> Settlement:
    """Return the settlement of an envelope that no target is to see (again)."""
    outcome = Outcome(kind=kind, stage=Stage.MESSAGE, reason=reason)
    dead = Dead(envelope=envelope, outcome=outcome, reason=reason)
    return Settlement(envelope=envelope, outcomes={}, again=None, dead=(dead,))


def postponed(envelope: Envelope, due_at: float, untried: str) -> Settlement:
    """Return the settlement of an envelope that was not tried and shall be later, uncharged."""
    again = dataclasses.replace(envelope, due_at=due_at)
    return Settlement(envelope=envelope, outcomes={}, again=again, dead=(), untried=untried)


def settle(
    envelope: Envelope,
    outcomes: Outcomes,
    *,
    policy: RetryPolicy,
    now: float,
    random: Callable[[], float],
) -> Settlement:
    """Decide for each recipient: done, once more, or given up. Pure."""
    share = random()  # one draw, so that recipients of one message stay together
    decisions: dict[str, Later | GiveUp] = {
        recipient: decide(
            outcome,
            attempts=envelope.attempts,
            queued_at=envelope.queued_at,
            now=now,
            expires_at=envelope.expires_at,
            policy=policy,
            random=lambda: share,
            resent=envelope.resent,
        )
        for recipient, outcome in outcomes.items()
        if outcome.kind is not Kind.SENT
    }
    dead = (
        Dead(
            envelope=dataclasses.replace(envelope, recipients=(recipient,)),
            outcome=outcomes[recipient],
            reason=decision.reason,
        )
        for recipient, decision in decisions.items()
        if isinstance(decision, GiveUp)
    )
    return Settlement(
        envelope=envelope,
        outcomes=outcomes,
        again=once_more(envelope, decisions, now),
        dead=tuple(dead),
    )


def once_more(
    envelope: Envelope, decisions: Mapping[str, Later | GiveUp], now: float
) -> Envelope | None:
    """Return the envelope for the recipients to be tried again, or None without any."""
    later: dict[str, Any] = {
        recipient: decision
        for recipient, decision in decisions.items()
        if isinstance(decision, Later)
    }
    if not later:
        return None
    charged = any(each.charged for each in later.values())
    return dataclasses.replace(
        envelope,
        recipients=tuple(later),
        attempts=envelope.attempts + charged,
        due_at=now + max(each.delay for each in later.values()),
        resent=envelope.resent or any(each.resend for each in later.values()),
    )
