"""What a row says: from an envelope, and after each outcome. No queries here."""

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

from mailqueue.ledger.claims import Claim
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.models import Entry, State
from mailqueue.outcome.outcome import Kind, Outcome
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope

Changes = dict[str, Any]


def new_entry(envelope: Envelope, packed: str, *, now: float, max_age: float) -> Entry:
    """Return the row of a mail that is due now, or at its ``due_at``."""
    wait = (envelope.due_at or 0.0) - now
    end = min(envelope.queued_at + max_age, envelope.expires_at or math.inf)
    return Entry(
        id=envelope.id,
        mailer=envelope.mailer,
        state=State.DEFERRED if wait > 0 else State.QUEUED,
        payload=packed,
        size=len(packed),
        queued_at=Clock(min(0.0, envelope.queued_at - now)),
        give_up_at=Clock(end - now),
        due_at=Clock(max(0.0, wait)),
        attempts=envelope.attempts,
        handed=int(envelope.resent),
    )


def dead_entry(dead: Dead, packed: str, origin: str, *, keep: float | None) -> Entry:
    """Return the row of recipients that died apart from the others of the mail ``origin``."""
    envelope = dead.envelope
    return Entry(
        id=envelope.id,
        mailer=envelope.mailer,
        payload=packed,
        size=len(packed),
        queued_at=Clock(),
        attempts=envelope.attempts,
        origin=origin,
        **died(dead.outcome, dead.reason, keep),
    )


def apart(dead: Dead) -> Dead:
    """Return a dead letter that parts from its mail, under its own id: the same each time."""
    name = "\n".join((dead.envelope.id, *(dead.envelope.recipients or ())))
    own = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return dataclasses.replace(dead, envelope=dataclasses.replace(dead.envelope, id=own))


def is_sent(settlement: Settlement) -> bool:
    """Tell whether nothing is left to do, for any recipient."""
    return settlement.again is None and not settlement.dead


def sent(keep_sent: float) -> Changes:
    """Return how a row changes that is sent, for those recipients who did not part from it."""
    return {
        "state": State.SENT,
        "payload": "",
        "due_at": None,
        "handed": 0,
        "finished_at": Clock(),
        "purge_at": Clock(keep_sent),
    }


def after(
    claim: Claim,
    settlement: Settlement,
    *,
    now: float,
    keep_sent: float,
    keep_dead: float | None,
) -> Changes:
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
        return told | died(settlement.dead[0].outcome, settlement.dead[0].reason, keep_dead)
    return sent(keep_sent)


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


def chunks(entries: Sequence[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield the rows in parts with payloads of at most about ``size`` characters together."""
    chunk: list[Entry] = []
    length = 0
    for entry in entries:
        if chunk and length + entry.size > size:
            yield chunk
            chunk, length = [], 0
        chunk.append(entry)
        length += entry.size
    if chunk:
        yield chunk
