"""A batch of the broker in a worker's hands: read it, deliver what is due, follow up on each."""

import dataclasses
import functools
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from django.db import Error

from mailqueue.broker.publish import publish
from mailqueue.delivery.deliver import deliver
from mailqueue.delivery.follow_up import announce, bury_unread, follow_up, persist, publish_again
from mailqueue.delivery.paused import is_paused_here
from mailqueue.errors import BadSignature, DecodeError
from mailqueue.lanes import Lane, lane_of, lanes
from mailqueue.log import logger, tell_stranger
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.opaque import Opaque
from mailqueue.outcome.retry import MINUTE, RetryPolicy
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import Keys, worker_keys

# What wave 1 of the ledger had on the broker in place of an envelope; the mail is in the table.
REFERENCE = "1.ref."
MOST = 1000  # texts in a batch of ours; what has more is not worth a dead letter for each
PAUSE = MINUTE  # seconds until what this worker cannot do is tried again, by any worker


def process(*batches: Opaque[str], queue: str) -> None:
    """Deliver the batches that came by a queue; by the end nothing is left to do here."""
    groups: defaultdict[str, dict[Opaque[str], Envelope]] = defaultdict(dict)
    keys = worker_keys()
    for batch in batches:
        for text, envelope in readable(batch, queue, keys):
            groups[envelope.mailer][text] = envelope
    for mailer, envelopes in groups.items():
        try:
            lane = lane_of(mailer)
        except InvalidMailer:
            wait_for_lane(envelopes, mailer, queue)
        else:
            process_lane(envelopes, lane)


def readable(batch: Opaque[str], queue: str, keys: Keys) -> Iterator[tuple[Opaque[str], Envelope]]:
    """Yield the texts of a batch and what they hold; what none can read becomes a dead letter."""
    texts = texts_of(batch)
    if texts is None:
        bury_unread(batch, "undecodable: DecodeError", queue=queue)
        return
    if any(text.value.startswith(REFERENCE) for text in texts):
        ring_for_all()
    for text in texts:
        if text.value.startswith(REFERENCE):
            continue
        try:
            yield text, unpack(text.value, keys)
        except DecodeError as error:
            bury_unread(text, f"undecodable: {type(error).__name__}", queue=queue)
            if isinstance(error, BadSignature):
                ask_for_key()


def texts_of(batch: Opaque[str]) -> list[Opaque[str]] | None:
    """Return the texts of a batch, or None for what is no batch of ours."""
    try:
        texts = json.loads(batch.value)
    except (TypeError, ValueError, RecursionError):
        return None
    listed = isinstance(texts, list) and len(texts) <= MOST
    if not listed or not all(isinstance(text, str) for text in texts):
        return None
    return [Opaque(text) for text in texts]


@functools.cache
def ask_for_key() -> None:
    """Say once what a bad signature may mean, beside the dead letters themselves."""
    logger.error(
        "Mail came with a signature that does not hold. Is SECRET_KEY the sender's? When it "
        "is mended, `manage.py mailqueue requeue` queues what was good mail."
    )


def ring_for_all() -> None:
    """Ring for every lane that has a ledger."""
    for lane in lanes().values():
        if lane.ledger is not None:
            lane.ring()


def wait_for_lane(envelopes: Mapping[Opaque[str], Envelope], mailer: str, queue: str) -> None:
    """Give signed mail of a mailer that this worker does not have to the workers that have it."""
    tell_stranger(mailer)
    for text, envelope in envelopes.items():
        if time.time() > envelope.queued_at + RetryPolicy().max_age:
            bury_unread(text, "unknown mailer", queue=queue, envelope=envelope)
        else:
            persist(lambda text=text: publish([text.value], queue=queue, countdown=PAUSE))  # type: ignore[misc]


def process_lane(envelopes: Mapping[Opaque[str], Envelope], lane: Lane) -> None:
    """Deliver what is due; the rest goes back to the broker for as long as it takes."""
    if lane.ledger is not None and keep(envelopes, lane):
        return
    now = time.time()
    due = []
    for text, envelope in envelopes.items():
        if (wait := (envelope.due_at or 0.0) - now) > 0:
            publish_again(text, lane, wait)
        else:
            due.append(envelope)
    if due and is_paused_here(lane):
        hold(due, lane)
        return
    texts = {id(envelope): text for text, envelope in envelopes.items()}
    for settlement in deliver(due, lane):
        follow_up(settlement, lane, text=texts[id(settlement.envelope)])
        announce(settlement, ())


def hold(envelopes: Sequence[Envelope], lane: Lane) -> None:
    """Give mail of a paused mailer back to the broker, for later; it gets no older by waiting."""
    texts = [
        lane.pack(dataclasses.replace(envelope, queued_at=envelope.queued_at + PAUSE))
        for envelope in envelopes
    ]
    persist(lambda: lane.publish(texts, countdown=PAUSE))


def keep(envelopes: Mapping[Opaque[str], Envelope], lane: Lane) -> bool:
    """Write mail from before the ledger was switched on into it; False if it cannot be asked."""
    assert lane.ledger is not None  # noqa: S101 (its only caller)
    try:
        lane.ledger.record([(envelope, text.value) for text, envelope in envelopes.items()])
    except Error as error:
        fault = type(error).__name__
    else:
        lane.ring()
        return True
    logger.error("The ledger cannot be asked: %s. The mail waits.", fault)
    for text in envelopes:
        publish_again(text, lane, PAUSE)
    return True
