"""A batch in a worker's hands: read, claim, deliver what is due, conclude each."""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from django.core.mail import EmailMessage
from django.db import close_old_connections

from mailqueue.codec.decode import refuse
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.deliver import deliver, deliver_singly, rebuild
from mailqueue.delivery.follow_up import (
    announce,
    bury_unread,
    follow_up,
    publish_again,
)
from mailqueue.errors import DecodeError, LedgerError, TransientDeliveryError
from mailqueue.lanes import Lane, lane_of
from mailqueue.ledger.interface import Claim, Ledger
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.outcome.outcome import Kind
from mailqueue.outcome.settlement import Dead, Settlement, given_up, postponed
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.reference import Reference, is_reference, resolve
from mailqueue.wire.signature import worker_keys

Item = Envelope | Reference
Claimed = tuple[Claim, EmailMessage]

# What was sent and is not marked is sent again: worth some seconds of waiting.
MARK_PAUSES = (0.1, 1.0, 5.0, 10.0)

# By target. Each worker process learns for itself, at the price of one probe.
breakers: defaultdict[str, Breaker] = defaultdict(Breaker)

logger = logging.getLogger("mailqueue")


def process(batch: str) -> None:
    groups: defaultdict[tuple[str, bool], dict[str, Item]] = defaultdict(dict)
    for text, item in readable(batch):
        groups[item.mailer, isinstance(item, Reference)][text] = item
    for (mailer, kept), items in groups.items():
        try:
            lane = lane_of(mailer)
            # What is kept already stays so, whichever level its mailer has now.
            ledger = lane.kept() if kept else lane.ledger
        except (InvalidMailer, ValueError) as error:
            without_lane(items, error)
        else:
            process_lane(list(items.values()), lane, ledger)


def readable(batch: str) -> Iterator[tuple[str, Item]]:
    """Yield the texts of a batch and what they hold; what none can read becomes a dead letter."""
    try:
        texts = json.loads(batch)
    except (TypeError, ValueError):
        texts = [batch]
    keys = worker_keys()
    for text in texts if isinstance(texts, list) else [batch]:
        try:
            yield text, resolve(text, keys) if is_reference(text) else unpack(text, keys)
        except DecodeError as error:
            bury_unread(text, f"undecodable: {type(error).__name__}")


def without_lane(items: Mapping[str, Item], error: Exception) -> None:
    """Make dead letters of what this worker has no mailer for; what is kept stays there."""
    for text, item in items.items():
        if isinstance(item, Envelope):
            bury_unread(text, "unknown mailer", item)
        else:
            logger.error("Mail %s: left in the ledger, %s.", item.id, type(error).__name__)


def process_lane(items: Sequence[Item], lane: Lane, ledger: Ledger) -> None:
    ready: list[Claimed] = []
    store = lane.store()
    fetch = store.fetch if store else refuse
    now = time.time()
    for claim in ledger.claim(items if ledger.durable else list(due_now(items, lane))):
        envelope = claim.envelope
        if claim.wait:
            publish_again(envelope, lane, claim.wait)
            continue
        if claim.doomed:
            settlement = given_up(envelope, claim.doomed, Kind.AMBIGUOUS)
        elif envelope.expires_at is not None and envelope.expires_at <= now:
            settlement = given_up(envelope, "expired")
        else:
            try:
                ready.append((claim, rebuild(envelope, fetch)))
                continue
            except DecodeError as error:
                settlement = given_up(envelope, f"undecodable: {type(error).__name__}")
            except TransientDeliveryError:
                settlement = postponed(envelope, now + lane.options.retry.schedule[0])
        conclude(claim, settlement, lane, ledger)
    deliver_ready(ready, lane, ledger)


def due_now(items: Sequence[Item], lane: Lane) -> Iterator[Item]:
    """Yield what may be delivered now; the rest goes back to the broker for as long as it takes."""
    now = time.time()
    for item in items:
        wait = (item.due_at or 0.0) - now if isinstance(item, Envelope) else 0.0
        if isinstance(item, Envelope) and wait > 0:
            publish_again(item, lane, wait)
        else:
            yield item


def deliver_ready(mails: Sequence[Claimed], lane: Lane, ledger: Ledger) -> None:
    """Deliver as many as the state of the target allows; the rest waits, at no charge."""
    using = lane.options.using
    breaker = breakers[using]
    while mails and (allowed := breaker.allowance(time.time())) != 0:
        now, mails = mails[:allowed], mails[allowed or len(mails) :]
        for claim, settlement in attempts(now, lane, ledger):
            conclude(claim, settlement, lane, ledger)
            if cause := breaker.note(settlement.outcomes.values(), time.time()):
                logger.error("Mailer %r pauses: %s.", using, cause.reason)
    for claim, _ in mails:
        conclude(claim, postponed(claim.envelope, breaker.paused_until), lane, ledger)


def attempts(
    mails: Sequence[Claimed], lane: Lane, ledger: Ledger
) -> Iterator[tuple[Claim, Settlement]]:
    """Deliver mails; those whose claim was lost meanwhile are left out."""
    pairs = [(claim.envelope, message) for claim, message in mails]
    if not ledger.singly:
        yield from zip([claim for claim, _ in mails], deliver(pairs, lane), strict=True)
        return
    of = {claim.envelope.id: claim for claim, _ in mails}

    def hand_over(envelope: Envelope) -> bool:
        return ledger.hand_over(of[envelope.id])

    for settlement in deliver_singly(pairs, lane, hand_over=hand_over):
        yield of[settlement.envelope.id], settlement


def conclude(claim: Claim, settlement: Settlement, lane: Lane, ledger: Ledger) -> None:
    """Keep what is left to do, the next attempt first; then tell what happened."""
    if not ledger.durable:
        follow_up(settlement, lane)
    dead = finish(claim, settlement, ledger)
    if dead is None:
        logger.warning("Mail %s: another worker has it.", claim.envelope.id)
    else:
        announce(settlement, dead if ledger.durable else ())


def finish(claim: Claim, settlement: Settlement, ledger: Ledger) -> Sequence[Dead] | None:
    """Mark the outcome, also if the store needs to be asked more than once."""
    for pause in MARK_PAUSES:
        try:
            return ledger.finish(claim, settlement)
        except LedgerError:
            close_old_connections()
            time.sleep(pause)
    return ledger.finish(claim, settlement)
