"""What is noted of an attempt, for people: a row for those recipients who fared alike."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.utils.timezone import now

from mailqueue.ledger.claims import Claim
from mailqueue.outcome.outcome import Outcome, queue_id_of
from mailqueue.outcome.settlement import Settlement

Told = tuple[str, str, int | None, str, str, str]


def attempts(claim: Claim, settlement: Settlement) -> list[dict[str, Any]]:
    """Return the rows of an attempt; none if the mail was not tried and shall be later."""
    addresses = settlement.outcomes.keys()
    groups = Counter(told(each, addresses) for each in settlement.outcomes.values())
    noted_at = now()  # for people, by this worker's clock; the database's would cost as much again
    if not groups:  # given up before it was tried
        groups.update(told(dead.outcome, ()) for dead in settlement.dead)
    return [
        {
            "entry_id": claim.envelope.id,
            "fence": claim.fence,
            "number": number,
            "mailer": claim.envelope.mailer,
            "at": noted_at,
            "recipients": recipients,
            "kind": kind,
            "stage": stage,
            "code": code,
            "enhanced": enhanced,
            "reason": reason,
            "queue_id": queue_id,
        }
        for number, ((kind, stage, code, enhanced, reason, queue_id), recipients) in enumerate(
            groups.items()
        )
    ]


def told(outcome: Outcome, addresses: Collection[str]) -> Told:
    return (
        outcome.kind,
        outcome.stage,
        outcome.code,
        (outcome.enhanced or "")[:12],
        outcome.reason[:200],
        (queue_id_of([outcome], addresses) or "")[:100],
    )
