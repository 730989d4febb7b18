"""What a row says: from an envelope, and after each outcome. No queries here."""

import dataclasses
import hashlib
import math
from typing import Any

from django.db.models import F

from mailqueue.ledger.claims import Claim
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.inserting import Row
from mailqueue.ledger.models import State
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope

Changes = dict[str, Any]

MOST_ATTEMPTS = 2**15 - 1  # that the column holds; more have no other wait


def new_row(envelope: Envelope, packed: str, *, now: float, max_age: float) -> Row:
    """Return the row of a mail that is due now, or at its ``due_at``."""
    wait = (envelope.due_at or 0.0) - now
    end = min(envelope.queued_at + max_age, envelope.expires_at or math.inf)
    return {
        "id": envelope.id,
        "mailer": envelope.mailer,
        "state": State.DEFERRED.value if wait > 0 else State.QUEUED.value,
        "payload": packed,
        "size": len(packed),
        "queued_at": min(0.0, envelope.queued_at - now),
        "give_up_at": end - now,
        "due_at": max(0.0, wait),
        "attempts": min(envelope.attempts, MOST_ATTEMPTS),
        "handed": int(envelope.resent),
    }


def dead_row(dead: Dead, packed: str, origin: str, *, attempts: int, keep: float | None) -> Row:
    """Return the row of recipients that died apart from the others of the mail ``origin``."""
    envelope = dead.envelope
    return {
        "id": envelope.id,
        "mailer": envelope.mailer,
        "state": State.DEAD.value,
        "payload": packed,
        "size": len(packed),
        "queued_at": 0.0,
        "finished_at": 0.0,
        "purge_at": keep,
        "attempts": attempts,
        "origin": origin,
        **facts(dead.outcome, dead.reason),
    }


def apart(dead: Dead) -> Dead:
    """Return a dead letter that parts from its mail, under its own id: the same each time."""
    return dataclasses.replace(dead, envelope=parted(dead.envelope))


def parted(envelope: Envelope) -> Envelope:
    """Return an envelope for some of the recipients of a mail, under its own id."""
    name = "\n".join((envelope.id, *(envelope.recipients or ())))
    own = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return dataclasses.replace(envelope, id=own)


def is_sent(settlement: Settlement) -> bool:
    """Tell whether nothing is left to do, for any recipient."""
    return settlement.again is None and not settlement.dead


def sent(keep_sent: float, keep_content: float) -> Changes:
    """Return how a row changes that is sent, for those recipients who did not part from it."""
    changes: Changes = {
        "state": State.SENT,
        "due_at": None,
        "attempts": F("attempts") + 1,
        "handed": 0,
        "finished_at": Clock(),
        "purge_at": Clock(keep_sent),
    }
    return changes | ({"erase_at": Clock(keep_content)} if keep_content else {"payload": ""})


def after(claim: Claim, settlement: Settlement, *, now: float, options: QueueOptions) -> Changes:
    """Return how a row changes: mail to be tried again, or sent, or dead as a whole."""
    outcomes = settlement.outcomes.values()
    unknown = any(outcome.kind is Kind.AMBIGUOUS for outcome in outcomes)
    told: Changes = {"handed": claim.handed + unknown}  # without one, this claim is answered
    if settlement.again is not None:
        delay = max(0.0, (settlement.again.due_at or now) - now)
        attempts = settlement.again.attempts
        told |= {"state": State.DEFERRED, "due_at": Clock(delay), "attempts": attempts}
        cause = settlement.cause
        return told | (facts(cause, cause.reason) if cause else {})
    if settlement.dead and not any(outcome.kind is Kind.SENT for outcome in outcomes):
        told["attempts"] = settlement.attempts
        return told | died(settlement.dead[0].outcome, settlement.dead[0].reason, options.keep_dead)
    return sent(options.keep_sent, options.keep_content)


def died(outcome: Outcome, reason: str, keep: float | None) -> Changes:
    changes: Changes = {
        "state": State.DEAD,
        "due_at": None,
        "finished_at": Clock(),
        "purge_at": None if keep is None else Clock(keep),
    }
    return changes | facts(outcome, reason)


def facts(outcome: Outcome, reason: str) -> Changes:
    return {
        "reason": reason[:200],
        "kind": outcome.kind,
        "stage": outcome.stage,
        "code": outcome.code,
        "enhanced": (outcome.enhanced or "")[:12],
    }
