"""A batch of the broker in a worker's hands: read it, deliver what is due, follow up on each."""

import functools
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

from django.db import Error

from mailqueue.broker.publish import publish
from mailqueue.delivery.deliver import deliver
from mailqueue.delivery.follow_up import announce, bury_unread, follow_up, persist, publish_again
from mailqueue.errors import BadSignature, DecodeError
from mailqueue.lanes import Lane, lane_of, lanes
from mailqueue.log import logger, tell_stranger
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.outcome.retry import MINUTE, RetryPolicy
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import worker_keys

# What wave 1 of the ledger had on the broker in place of an envelope; the mail is in the table.
REFERENCE = "1.ref."
MOST = 1000  # texts in a batch of ours; what has more is not worth a dead letter for each
PAUSE = MINUTE  # seconds until what this worker cannot do is tried again, by any worker


def process(batch: str, *, queue: str) -> None:
    """Deliver the batch that came by a queue; by the end nothing of it is left to do here."""
    groups: defaultdict[str, dict[str, Envelope]] = defaultdict(dict)
    for text, envelope in readable(batch, queue):
        groups[envelope.mailer][text] = envelope
    for mailer, envelopes in groups.items():
        try:
            lane = lane_of(mailer)
        except InvalidMailer:
            wait_for_lane(envelopes, mailer, queue)
        else:
            process_lane(envelopes, lane)


def readable(batch: str, queue: str) -> Iterator[tuple[str, Envelope]]:
    """Yield the texts of a batch and what they hold; what none can read becomes a dead letter."""
    try:
        texts = json.loads(batch)
    except (TypeError, ValueError, RecursionError):
        texts = None
    listed = isinstance(texts, list) and len(texts) <= MOST
    if not listed or not all(isinstance(text, str) for text in texts):
        bury_unread(batch, "undecodable: DecodeError", queue=queue)
        return
    if any(text.startswith(REFERENCE) for text in texts):
        ring_for_all()
    keys = worker_keys()
    for text in texts:
        if text.startswith(REFERENCE):
            continue
        try:
            yield text, unpack(text, keys)
        except DecodeError as error:
            bury_unread(text, f"undecodable: {type(error).__name__}", queue=queue)
            if isinstance(error, BadSignature):
                ask_for_key()


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


def wait_for_lane(envelopes: Mapping[str, Envelope], mailer: str, queue: str) -> None:
    """Give signed mail of a mailer that this worker does not have to the workers that have it."""
    tell_stranger(mailer)
    for text, envelope in envelopes.items():
        if time.time() > envelope.queued_at + RetryPolicy().max_age:
            bury_unread(text, "unknown mailer", queue=queue, envelope=envelope)
        else:
            persist(lambda text=text: publish([text], queue=queue, countdown=PAUSE))  # type: ignore[misc]


def process_lane(envelopes: Mapping[str, Envelope], lane: Lane) -> None:
    """Deliver what is due; the rest goes back to the broker for as long as it takes."""
    if lane.ledger is not None and keep(envelopes, lane):
        return
    now = time.time()
    due = []
    for envelope in envelopes.values():
        if (wait := (envelope.due_at or 0.0) - now) > 0:
            publish_again(envelope, lane, wait)
        else:
            due.append(envelope)
    for settlement in deliver(due, lane):
        follow_up(settlement, lane)
        announce(settlement, ())


def keep(envelopes: Mapping[str, Envelope], lane: Lane) -> bool:
    """Write mail from before the ledger was switched on into it; False if it cannot be asked."""
    assert lane.ledger is not None  # noqa: S101 (its only caller)
    try:
        lane.ledger.record([(envelope, text) for text, envelope in envelopes.items()])
    except Error as error:
        logger.error("The ledger cannot be asked: %s. The mail waits.", type(error).__name__)
        for envelope in envelopes.values():
            publish_again(envelope, lane, PAUSE)
    else:
        lane.ring()
    return True
