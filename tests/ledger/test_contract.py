"""What every ledger promises: the same tests on Redis, SQLite, PostgreSQL and MariaDB."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from mailqueue.ledger.interface import MAX_CLAIMS
from mailqueue.outcome.outcome import Kind
from tests.ledger.mails import LATER, LOST, NEVER, POLICY, SENT, envelope, options, settled


def granted(bench, items):
    return [claim for claim in bench.ledger.claim(items) if not claim.wait]


def test_a_claim_gives_the_envelope_that_was_queued(bench):
    mail = envelope("a@example.test", attempts=2, expires_at=9e9)
    [claim] = bench.ledger.claim(bench.put(mail))
    assert claim.envelope == mail
    assert not claim.doomed


def test_what_is_claimed_is_not_granted_again(bench):
    items = bench.put(envelope(), envelope())
    assert len(granted(bench, items)) == 2
    assert granted(bench, items) == []


def test_one_batch_does_not_get_the_same_mail_twice(bench):
    items = bench.put(envelope())
    assert len(granted(bench, [*items, *items])) == 1


def test_of_many_who_claim_at_once_one_gets_each(bench):
    items = bench.put(*(envelope() for _ in range(20)))
    start = Barrier(4)

    def claim(turn: int) -> list[str]:
        start.wait()
        try:
            mine = items[turn * 5 :] + items[: turn * 5]
            return [each.envelope.id for each in granted(bench, mine)]
        finally:
            bench.close()

    with ThreadPoolExecutor(4) as pool:
        ids = [each for found in pool.map(claim, range(4)) for each in found]
    assert sorted(ids) == sorted(item.id for item in items)


@pytest.mark.parametrize(
    "outcomes", [{"a": SENT}, {"a": NEVER}, {"a": LATER}], ids=["sent", "dead", "deferred"]
)
def test_what_is_finished_is_not_granted_again(bench, outcomes):
    items = bench.put(envelope())
    [claim] = bench.ledger.claim(items)
    assert bench.ledger.hand_over(claim)
    assert bench.ledger.finish(claim, settled(claim.envelope, **outcomes)) is not None
    assert bench.ledger.claim(items) == []


def test_when_the_lease_ends_another_may_have_it(bench):
    items = bench.put(envelope())
    [claim] = bench.ledger.claim(items)
    bench.end_lease(claim)
    [other] = granted(bench, items)
    assert other.fence != claim.fence


def test_who_lost_the_claim_may_not_hand_over(bench):
    items = bench.put(envelope())
    [claim] = bench.ledger.claim(items)
    assert bench.ledger.hand_over(claim)
    bench.end_lease(claim)
    assert not bench.ledger.hand_over(claim)
    [other] = granted(bench, items)
    assert not bench.ledger.hand_over(claim)
    assert bench.ledger.hand_over(other)


def test_what_was_sent_in_the_end_is_sent_also_if_the_lease_had_ended(bench):
    items = bench.put(envelope())
    [claim] = bench.ledger.claim(items)
    assert bench.ledger.hand_over(claim)
    bench.end_lease(claim)
    bench.ledger.finish(claim, settled(claim.envelope, a=SENT))
    assert bench.ledger.claim(items) == []


def test_what_was_sent_meanwhile_is_not_handed_over(bench):
    items = bench.put(envelope())
    [claim] = bench.ledger.claim(items)
    assert bench.ledger.hand_over(claim)
    bench.end_lease(claim)
    [other] = granted(bench, items)
    assert bench.ledger.finish(claim, settled(claim.envelope, a=SENT)) is not None
    assert not bench.ledger.hand_over(other)


def test_a_mail_that_kills_its_workers_is_doomed_in_the_end(bench):
    items = bench.put(envelope())
    for _ in range(MAX_CLAIMS):
        [claim] = granted(bench, items)
        assert not claim.doomed
        bench.end_lease(claim)
    [claim] = granted(bench, items)
    assert "worker died" in claim.doomed


def crash_while_sending(bench, items):
    [claim] = granted(bench, items)
    assert not claim.doomed
    assert bench.ledger.hand_over(claim)
    bench.end_lease(claim)


def test_it_is_sent_again_once_after_a_crash_that_hides_whether_it_was_sent(bench):
    items = bench.put(envelope())
    crash_while_sending(bench, items)
    crash_while_sending(bench, items)
    [claim] = granted(bench, items)
    assert "may have arrived" in claim.doomed


def test_a_mailer_that_holds_ambiguous_mail_holds_it_at_the_first_crash(bench):
    items = bench.put(envelope())
    crash_while_sending(bench, items)
    policy = {"schedule": [60], "ambiguous": "hold"}
    holding = bench.make(options(retry=type(POLICY)(**policy)))
    [claim] = holding.claim(items)
    assert "may have arrived" in claim.doomed


def test_a_crash_and_a_lost_answer_are_two(bench):
    items = bench.put(envelope())
    crash_while_sending(bench, items)
    [claim] = granted(bench, items)
    assert claim.envelope.resent
    assert bench.ledger.hand_over(claim)
    settlement = settled(claim.envelope, a=LOST)
    assert settlement.again is None
    [dead] = settlement.dead
    assert dead.outcome.kind is Kind.AMBIGUOUS


def test_the_dead_letters_are_told(bench):
    items = bench.put(envelope("a@example.test", "b@example.test"))
    [claim] = bench.ledger.claim(items)
    dead = bench.ledger.finish(claim, settled(claim.envelope, a=SENT, b=NEVER))
    assert [letter.envelope.recipients for letter in dead] == [("b@example.test",)]
