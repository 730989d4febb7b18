"""The schedule, the bounds, and what charges an attempt."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailqueue.outcome.outcome import Kind, Outcome, Stage, is_mailers
from mailqueue.outcome.retry import (
    LONGEST_UNCHARGED_DELAY,
    GiveUp,
    Later,
    RetryPolicy,
    decide,
)

MIDDLE = 0.5  # no jitter
failures = st.sampled_from([kind for kind in Kind if kind is not Kind.SENT])
stages = st.sampled_from(list(Stage))


def outcome(kind: Kind, stage: Stage = Stage.DATA, **more: Any) -> Outcome:
    return Outcome(kind=kind, stage=stage, reason="why", **more)


def after(result: Outcome, attempts: int = 0, **more: Any) -> Later | GiveUp:
    policy = more.pop("policy", RetryPolicy())
    arguments: dict[str, Any] = {"queued_at": 0.0, "now": 0.0, "expires_at": None, **more}
    return decide(
        result, attempts=attempts, policy=policy, random=arguments.pop("random", lambda: MIDDLE),
        **arguments,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "delay"),
    list(enumerate([30, 120, 300, 900, 1800, 3600, 7200, 14400, 14400, 14400])),
)
def test_schedule(attempts: int, delay: float) -> None:
    assert after(outcome(Kind.TRANSIENT), attempts) == Later(delay, charged=True)


def test_jitter_reaches_a_quarter_to_both_sides() -> None:
    delays = [after(outcome(Kind.TRANSIENT), random=lambda r=r: r).delay for r in (0.0, 0.999999)]  # type: ignore[union-attr,misc]
    assert delays == [pytest.approx(22.5), pytest.approx(37.5, rel=1e-4)]


def test_permanent_gives_up_with_the_reason_of_the_outcome() -> None:
    assert after(outcome(Kind.PERMANENT)) == GiveUp("why")


@pytest.mark.parametrize("kind", [Kind.CONFIGURATION, Kind.RATE_LIMITED])
@pytest.mark.parametrize(
    ("age", "delay"), [(0, 30), (29, 30), (30, 120), (150, 300), (1000, 600), (90_000, 600)]
)
def test_what_is_not_the_mails_fault_charges_nothing_and_waits_by_age(
    kind: Kind, age: float, delay: float
) -> None:
    assert after(outcome(kind), 3, now=age) == Later(delay, charged=False)


def test_retry_after_is_respected_and_bounded_by_the_age() -> None:
    limited = outcome(Kind.RATE_LIMITED, retry_after=1234.0)
    assert after(limited) == Later(1234.0, charged=False)
    assert after(outcome(Kind.RATE_LIMITED, retry_after=1.0)) == Later(30, charged=False)
    assert after(limited, policy=RetryPolicy(max_age=1000)) == GiveUp("too old: why")


def test_ambiguous_is_sent_again_once() -> None:
    lost = outcome(Kind.AMBIGUOUS, Stage.ACCEPTED)
    assert after(lost) == Later(30, charged=True, resend=True)
    assert after(lost, 1, resent=True) == GiveUp("sent again before: why")
    assert after(lost, policy=RetryPolicy(ambiguous="hold")) == GiveUp("held: why")


def test_unknown_errors_get_few_attempts() -> None:
    unknown = outcome(Kind.TRANSIENT, Stage.UNKNOWN)
    kinds = [type(after(unknown, attempts)) for attempts in range(5)]
    assert kinds == [Later, Later, Later, GiveUp, GiveUp]
    assert after(unknown, policy=RetryPolicy(unknown_attempts=1)) == GiveUp("tried 1 times: why")


def test_deadline_of_the_message_comes_before_age() -> None:
    refused = outcome(Kind.TRANSIENT)
    assert after(refused, expires_at=31.0) == Later(30, charged=True)
    assert after(refused, expires_at=30.0) == GiveUp("expired: why")
    assert after(refused, now=3 * 86400.0) == GiveUp("too old: why")


def test_sent_is_no_failure() -> None:
    with pytest.raises(ValueError, match="expected an outcome that is not sent"):
        after(outcome(Kind.SENT))


@given(failures, stages, st.integers(0, 100), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True),
       st.none() | st.floats(0, 1e6), st.none() | st.floats(0, 1e7), st.booleans())  # fmt: skip
def test_no_attempt_lies_past_a_bound_and_every_mail_ends(
    kind: Kind,
    stage: Stage,
    attempts: int,
    age: float,
    chance: float,
    wait: float | None,
    expires_at: float | None,
    resent: bool,
) -> None:
    policy = RetryPolicy()
    result = decide(
        outcome(kind, stage, retry_after=wait),
        attempts=attempts,
        queued_at=0.0,
        now=age,
        expires_at=expires_at,
        policy=policy,
        random=lambda: chance,
        resent=resent,
    )
    if isinstance(result, GiveUp):
        assert result.reason
        return
    assert result.delay >= max(min(policy.schedule) * 0.75 - 1e-6, wait or 0)
    assert age + result.delay <= policy.max_age
    assert expires_at is None or age + result.delay < expires_at
    assert result.charged != is_mailers(Outcome(kind=kind, stage=stage))
    assert kind is not Kind.PERMANENT
    if not result.charged and not wait:
        assert result.delay <= LONGEST_UNCHARGED_DELAY * 1.25


@pytest.mark.parametrize(
    ("age", "wait"), [(0, 30), (29, 30), (31, 120), (149, 120), (151, 300), (86400, 600)]
)
def test_what_is_not_charged_waits_as_long_as_a_mail_of_its_age(age: float, wait: float) -> None:
    policy = RetryPolicy(jitter=0)
    step = after(outcome(Kind.RATE_LIMITED), 0, now=age, policy=policy)
    assert isinstance(step, Later)
    assert (step.delay, step.charged) == (wait, False)


@given(st.floats(0, 1, exclude_max=True))
def test_a_relay_that_always_refuses_ends_in_days_not_in_hours_or_weeks(chance: float) -> None:
    now, attempts = 0.0, 0
    while isinstance(
        step := after(outcome(Kind.TRANSIENT), attempts, now=now, random=lambda: chance), Later
    ):
        now, attempts = now + step.delay, attempts + 1
    assert 2.5 * 86400 < now <= 3 * 86400
    assert 15 < attempts < 35


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"schedule": []},
            "'retry.schedule' must be one or more numbers of seconds above 0, got []",
        ),
        ({"schedule": [30, 0]}, "'retry.schedule' must be"),
        ({"schedule": "30"}, "'retry.schedule' must be"),
        ({"schedule": [math.nan]}, "'retry.schedule' must be"),
        ({"jitter": 1}, "'retry.jitter' must be a number from 0 to below 1, got 1"),
        ({"jitter": True}, "'retry.jitter' must be"),
        ({"max_age": 0}, "'retry.max_age' must be a number of seconds above 0, got 0"),
        ({"ambiguous": "drop"}, "'retry.ambiguous' must be 'resend' or 'hold', got 'drop'"),
        ({"unknown_attempts": 0}, "'retry.unknown_attempts' must be a whole number above 0, got 0"),
        ({"unknown_attempts": 2.0}, "'retry.unknown_attempts' must be"),
        ({"jiter": 0}, "'retry' must be a dict with keys of jitter, "),
        ([1], "'retry' must be a dict"),
    ],
)
def test_wrong_options_are_named(options: Any, text: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the text is checked below)
        RetryPolicy.from_options(options)
    assert text in str(error.value)


def test_options_make_a_policy() -> None:
    policy = RetryPolicy.from_options({"schedule": [1, 2.5], "ambiguous": "hold"})
    assert policy == RetryPolicy(schedule=(1, 2.5), ambiguous="hold")
    assert RetryPolicy.from_options(None) == RetryPolicy()
