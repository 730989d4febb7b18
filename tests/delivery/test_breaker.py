"""A mailer that is wrong or asked to slow down pauses, and one mail probes it."""

import pytest

from mailqueue.delivery.breaker import Breaker
from mailqueue.outcome.outcome import Kind, Outcome, Stage

SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
WRONG = Outcome(kind=Kind.CONFIGURATION, stage=Stage.AUTH, code=535)
FAST = Outcome(kind=Kind.RATE_LIMITED, stage=Stage.SENDER, code=421)
REFUSED = Outcome(kind=Kind.PERMANENT, stage=Stage.RECIPIENT, code=550)


def test_a_mailer_is_free_until_something_is_wrong_with_it():
    breaker = Breaker()
    for outcome in (SENT, REFUSED):
        assert breaker.note([outcome], now=0) is None
        assert breaker.allowance(now=0) is None


@pytest.mark.parametrize("outcome", [WRONG, FAST])
def test_it_pauses_and_then_lets_one_mail_through(outcome):
    breaker = Breaker()
    assert breaker.note([SENT, outcome], now=100) is outcome
    assert breaker.allowance(now=129) == 0
    assert breaker.allowance(now=130) == 1


def test_the_pause_doubles_up_to_ten_minutes():
    breaker = Breaker()
    pauses = []
    now = 0.0
    for _ in range(7):
        breaker.note([WRONG], now)
        pauses.append(breaker.paused_until - now)
        now = breaker.paused_until
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_longer_wait_that_the_target_asks_for_counts():
    breaker = Breaker()
    breaker.note([Outcome(kind=Kind.RATE_LIMITED, stage=Stage.DATA, retry_after=3600)], now=0)
    assert breaker.paused_until == 3600


def test_the_rest_of_a_batch_does_not_lengthen_the_pause():
    breaker = Breaker()
    breaker.note([WRONG], now=0)
    assert breaker.note([WRONG], now=1) is None
    assert breaker.paused_until == 30


def test_one_success_ends_it():
    breaker = Breaker()
    breaker.note([WRONG], now=0)
    breaker.note([SENT], now=30)
    assert breaker.allowance(now=30) is None
