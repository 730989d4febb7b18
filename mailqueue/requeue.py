"""Queue dead letters anew, as if they were never tried; none is lost if that is interrupted."""

import json
import time

from mailqueue.broker.dead import DeadLetter, take_each
from mailqueue.broker.publish import publisher
from mailqueue.errors import DecodeError
from mailqueue.lanes import Lane, lane_of, lanes, queue_names
from mailqueue.ledger.selection import is_installed
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import fresh, unpack
from mailqueue.wire.signature import worker_keys

BATCH = 500  # rows of the ledger that are changed at once


def requeue(*, everything: bool) -> int:
    """Queue dead letters anew; return how many.

    Those that no worker could open and this process can, after a key was mended; or `everything`
    that it can open. Raises `PublishError`, and what the database raises.
    """
    number = 0
    for queue in sorted({*queue_names(), QueueOptions.DEFAULT_QUEUE}):
        number += take_each(
            publisher(), queue=queue, wanted=lambda letter: again(letter, everything=everything)
        )
    if everything and is_installed():
        for lane in lanes().values():
            number += requeue_kept(lane)
    return number


def again(letter: DeadLetter, *, everything: bool) -> bool:
    """Queue a dead letter of the broker anew; False if it is not wanted or cannot be opened."""
    if letter.encoding != "text" or not (everything or letter.reason.startswith("undecodable")):
        return False
    try:
        opened = [unpack(text, worker_keys()) for text in texts_of(letter.content)]
        found = [
            (lane_of(envelope.mailer), fresh(envelope, now=time.time())) for envelope in opened
        ]
    except (DecodeError, InvalidMailer):
        return False
    if any(lane.ledger and lane.ledger.known([envelope.id]) for lane, envelope in found):
        return False  # the ledger has it, and knows what became of it
    for lane, envelope in found:
        if lane.ledger is None:
            lane.publish([lane.pack(envelope)])
        else:
            lane.ledger.record([(envelope, lane.pack(envelope))])
            lane.ring()
    return bool(found)


def texts_of(content: str) -> list[str]:
    """Return the packed envelopes of a dead letter: one, or those of a whole batch."""
    try:
        texts = json.loads(content)
    except (ValueError, RecursionError):
        return [content]
    valid = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    return texts if valid else [content]


def requeue_kept(lane: Lane) -> int:
    """Queue the dead letters of a lane anew that the ledger keeps."""
    ledger = lane.kept()
    number = 0
    while ids := list(
        ledger.dead().filter(mailer=lane.mailer).values_list("pk", flat=True)[:BATCH]
    ):
        number += ledger.requeue(ids)
    if number:
        lane.ring()
    return number
