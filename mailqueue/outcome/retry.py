"""When to try again, and when to give up. Pure: clock and randomness are passed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from mailqueue.expectations import expect, is_number, is_whole, nearest, unexpected
from mailqueue.outcome.outcome import Kind, Outcome, Stage, is_mailers

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

# What is not the mail's fault ends for many mails at once, when a person or the relay ends it.
# None of them should then wait for hours, as a mail does that was itself refused often.
LONGEST_UNCHARGED_DELAY = 10 * MINUTE


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Say how a mailer tries again; the ``retry`` entry of its OPTIONS, checked when built.

    ``schedule`` holds the waits in seconds; the last one repeats. A wait is varied by up to
    ``jitter`` (a share of it) to both sides. ``max_age`` is in seconds since the mail was queued.
    ``ambiguous`` tells what to do when the answer to a whole message was lost: "resend" it, once,
    or "hold" it for a person. An error that nobody knows is final at the attempt number
    ``unknown_attempts``, whatever the earlier ones ended with.
    """

    schedule: tuple[float, ...] = (
        30.0,
        *(minutes * MINUTE for minutes in (2, 5, 15, 30)),
        *(hours * HOUR for hours in (1, 2, 4)),
    )
    jitter: float = 0.25
    max_age: float = 3 * DAY
    ambiguous: Literal["resend", "hold"] = "resend"
    unknown_attempts: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", _waits(self.schedule))
        share = is_number(self.jitter) and 0 <= self.jitter < 1
        expect("retry.jitter", self.jitter, share, "a number from 0 to below 1")
        lasting = is_number(self.max_age) and self.max_age > 0
        expect("retry.max_age", self.max_age, lasting, "a number of seconds above 0")
        known = self.ambiguous in ("resend", "hold")
        expect("retry.ambiguous", self.ambiguous, known, "'resend' or 'hold'")
        count = self.unknown_attempts
        several = is_whole(count) and count > 0
        expect("retry.unknown_attempts", count, several, "a whole number above 0")

    @property
    def max_ambiguous(self) -> int:
        """How often a mail may be sent again although it may have arrived."""
        return 1 if self.ambiguous == "resend" else 0

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> Self:
        """Build the policy from OPTIONS["retry"]; ValueError names the entry that is wrong."""
        if options is None:
            return cls()
        if not isinstance(options, Mapping):
            raise unexpected("retry", options, "a dict")
        known = [field.name for field in fields(cls)]
        for name in options:
            keys = ", ".join(nearest(str(name), known))
            expect("retry", name, name in known, f"a dict with keys of {keys}")
        return cls(**options)


@dataclass(frozen=True, slots=True)
class Later:
    """Try again after ``delay`` seconds; ``charged`` if this attempt counts.

    ``resend`` marks the one repeat that an ambiguous outcome may have: remember it.
    """

    delay: float
    charged: bool
    resend: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Make it a dead letter."""

    reason: str


def decide(
    outcome: Outcome,
    *,
    attempts: int,
    queued_at: float,
    now: float,
    expires_at: float | None,
    policy: RetryPolicy,
    random: Callable[[], float],
    resent: bool = False,
) -> Later | GiveUp:
    """Decide what follows an outcome that is not ``sent``.

    ``attempts`` were charged before the one that ended so. Times are Unix seconds; ``random``
    gives [0, 1). ``resent`` tells that an ambiguous outcome was answered by a repeat before.
    """
    if outcome.kind is Kind.SENT:
        raise ValueError("expected an outcome that is not sent, got sent")
    if final := _final(outcome, attempts, policy, resent=resent):
        return GiveUp(final)
    charged = not is_mailers(outcome)
    wait = (
        _wait(policy, attempts) if charged else _uncharged_wait(policy, max(0.0, now - queued_at))
    )
    delay = wait * (1 + policy.jitter * (2 * random() - 1))
    delay = max(delay, outcome.retry_after or 0.0)
    if expires_at is not None and now + delay >= expires_at:
        return GiveUp(f"expired: {outcome.reason}")
    if now + delay > queued_at + policy.max_age:
        return GiveUp(f"too old: {outcome.reason}")
    return Later(delay, charged=charged, resend=outcome.kind is Kind.AMBIGUOUS)


def _final(outcome: Outcome, attempts: int, policy: RetryPolicy, *, resent: bool) -> str | None:
    if outcome.kind is Kind.PERMANENT:
        return outcome.reason
    if outcome.kind is Kind.AMBIGUOUS:
        if policy.ambiguous == "hold":
            return f"held: {outcome.reason}"
        return f"sent again before: {outcome.reason}" if resent else None
    unknown = outcome.kind is Kind.TRANSIENT and outcome.stage is Stage.UNKNOWN
    if unknown and attempts + 1 >= policy.unknown_attempts:
        return f"tried {attempts + 1} times: {outcome.reason}"
    return None


def _wait(policy: RetryPolicy, attempts: int) -> float:
    return policy.schedule[min(max(attempts, 0), len(policy.schedule) - 1)]


def _uncharged_wait(policy: RetryPolicy, age: float) -> float:
    """Take the wait that a mail of this age would have come to, as nothing counts its attempts."""
    gone = 0.0
    for wait in policy.schedule:
        gone += wait
        if gone > age:
            break
    return min(wait, LONGEST_UNCHARGED_DELAY)


def _waits(value: object) -> tuple[float, ...]:
    waits = tuple(value) if isinstance(value, list | tuple) else ()
    if not waits or not all(is_number(wait) and wait > 0 for wait in waits):
        raise unexpected("retry.schedule", value, "one or more numbers of seconds above 0")
    return waits
