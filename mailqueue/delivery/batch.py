"""A batch in a worker's hands: read, claim, deliver what is due, conclude each."""

import json
import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.core.mail import EmailMessage
from django.db import close_old_connections

from mailqueue.delivery.aftermath import bury, follow_up, give_up, persist, publish_again, tell
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.classifier import classifier_of
from mailqueue.delivery.deliver import (
    Dead,
    Settlement,
    deliver,
    deliver_singly,
    given_up,
    postponed,
    rebuild,
)
from mailqueue.delivery.outcome import Kind
from mailqueue.errors import DecodeError, LedgerError, TransientDeliveryError
from mailqueue.lanes import options_of
from mailqueue.ledger.interface import Claim, Ledger, NoLedger
from mailqueue.ledger.levels import database_ledger, ledger_of
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions
from mailqueue.wire.decode import refuse
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.keys import keys_from_settings, worker_keys
from mailqueue.wire.reference import Reference, is_reference, resolve
from mailqueue.wire.storage import attachment_store

Item = Envelope | Reference
Mail = tuple[Claim, EmailMessage]

# What was sent and is not marked is sent again: worth some seconds of waiting.
MARK_PAUSES = (0.1, 1.0, 5.0, 10.0)

# By target. Each worker process learns for itself, at the price of one probe.
breakers: defaultdict[str, Breaker] = defaultdict(Breaker)

logger = logging.getLogger("mailqueue")


def process(batch: str) -> None:
    groups: defaultdict[tuple[str, bool], list[Item]] = defaultdict(list)
    for item in readable(batch):
        groups[item.mailer, isinstance(item, Reference)].append(item)
    for (mailer, kept), items in groups.items():
        try:
            options = options_of(mailer)
            # What is kept already stays so, whichever level its mailer has now.
            ledger = database_ledger(options) if kept else ledger_of(options)
        except (InvalidMailer, ValueError) as error:
            set_aside(items, error)
        else:
            process_mailer(items, options, ledger)


def readable(batch: str) -> Iterator[Item]:
    """Yield the envelopes of a batch; what is none becomes a dead letter as it came."""
    try:
        texts = json.loads(batch)
    except (TypeError, ValueError):
        texts = [batch]
    keys = worker_keys()
    for text in texts if isinstance(texts, list) else [batch]:
        try:
            yield resolve(text, keys) if is_reference(text) else unpack(text, keys)
        except DecodeError as error:
            persist(partial(bury, text, f"undecodable: {type(error).__name__}"))


def set_aside(items: Sequence[Item], error: Exception) -> None:
    """Make dead letters of what this worker has no mailer for; what is kept stays there."""
    for item in items:
        if isinstance(item, Envelope):
            give_up(item, "unknown mailer")
        else:
            logger.error("Mail %s: left in the ledger, %s.", item.id, type(error).__name__)


def process_mailer(items: Sequence[Item], options: QueueOptions, ledger: Ledger) -> None:
    ready: list[Mail] = []
    store = attachment_store(options, keys_from_settings(options.encryption_keys))
    fetch = store.fetch if store else refuse
    now = time.time()
    for claim in claims(items if ledger.durable else list(due_now(items, options)), ledger):
        envelope = claim.envelope
        if claim.wait:
            publish_again(envelope, options, claim.wait)
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
                settlement = postponed(envelope, now + options.retry.schedule[0])
        conclude(claim, settlement, options, ledger)
    deliver_ready(ready, options, ledger)


def claims(items: Sequence[Item], ledger: Ledger) -> list[Claim]:
    try:
        return ledger.claim(items)
    except ledger.errors as error:
        raise LedgerError(type(error).__name__) from None


def due_now(items: Sequence[Item], options: QueueOptions) -> Iterator[Item]:
    """Yield what may be delivered now; the rest goes back to the broker for as long as it takes."""
    now = time.time()
    for item in items:
        wait = (item.due_at or 0.0) - now if isinstance(item, Envelope) else 0.0
        if isinstance(item, Envelope) and wait > 0:
            publish_again(item, options, wait)
        else:
            yield item


def deliver_ready(mails: Sequence[Mail], options: QueueOptions, ledger: Ledger) -> None:
    """Deliver as many as the state of the target allows; the rest waits, at no charge."""
    breaker = breakers[options.using]
    while mails and (allowed := breaker.allowance(time.time())) != 0:
        now, mails = mails[:allowed], mails[allowed or len(mails) :]
        for claim, settlement in attempts(now, options, ledger):
            conclude(claim, settlement, options, ledger)
            if cause := breaker.note(settlement.outcomes.values(), time.time()):
                logger.error("Mailer %r pauses: %s.", options.using, cause.reason)
    for claim, _ in mails:
        conclude(claim, postponed(claim.envelope, breaker.paused_until), options, ledger)


def attempts(
    mails: Sequence[Mail], options: QueueOptions, ledger: Ledger
) -> Iterator[tuple[Claim, Settlement]]:
    """Deliver mails; those whose claim was lost meanwhile are left out."""
    pairs = [(claim.envelope, message) for claim, message in mails]
    how: dict[str, Any] = {"using": options.using, "policy": options.retry}
    how |= {"clock": time.time, "random": random.random, "classify": classifier_of(options)}
    if isinstance(ledger, NoLedger):
        yield from zip([claim for claim, _ in mails], deliver(pairs, **how), strict=True)
        return
    of = {claim.envelope.id: claim for claim, _ in mails}

    def hand_over(envelope: Envelope) -> bool:
        try:
            return ledger.hand_over(of[envelope.id])
        except ledger.errors as error:
            raise LedgerError(type(error).__name__) from None

    for settlement in deliver_singly(pairs, **how, hand_over=hand_over):
        yield of[settlement.envelope.id], settlement


def conclude(claim: Claim, settlement: Settlement, options: QueueOptions, ledger: Ledger) -> None:
    """Keep what is left to do, the next attempt first; then tell what happened."""
    if not ledger.durable:
        follow_up(settlement, options)
    dead = finish(claim, settlement, ledger)
    if dead is None:
        logger.warning("Mail %s: another worker has it.", claim.envelope.id)
    else:
        tell(settlement, dead)


def finish(claim: Claim, settlement: Settlement, ledger: Ledger) -> Sequence[Dead] | None:
    """Mark the outcome, also if the store needs to be asked more than once."""
    for pause in MARK_PAUSES:
        try:
            return ledger.finish(claim, settlement)
        except ledger.errors:
            close_old_connections()
            time.sleep(pause)
    try:
        return ledger.finish(claim, settlement)
    except ledger.errors as error:
        raise LedgerError(type(error).__name__) from None
