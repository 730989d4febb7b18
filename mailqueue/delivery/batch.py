"""A batch in a worker's hands: read, deliver what is due, publish what follows."""

import dataclasses
import json
import logging
import random
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publish, publisher
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.deliver import Settlement, deliver, rebuild
from mailqueue.errors import DecodeError, PublishError, TransientDeliveryError
from mailqueue.lanes import options_of
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.decode import refuse
from mailqueue.wire.envelope import Envelope, pack, unpack
from mailqueue.wire.keys import keys_from_settings, worker_keys
from mailqueue.wire.storage import attachment_store

# How long a worker holds a batch whose next attempts the broker does not take. Giving it back
# means sending the delivered part of it again, so patience is worth a worker's time.
PATIENCE = 600.0

Mail = tuple[Envelope, EmailMessage]

# By target. Each worker process learns for itself, at the price of one probe.
breakers: defaultdict[str, Breaker] = defaultdict(Breaker)

logger = logging.getLogger("mailqueue")


def process(batch: str) -> None:
    envelopes = defaultdict(list)
    for envelope in readable(batch):
        envelopes[envelope.mailer].append(envelope)
    for mailer, group in envelopes.items():
        try:
            options = options_of(mailer)
        except InvalidMailer:
            for envelope in group:
                give_up(envelope, "unknown mailer")
        else:
            process_mailer(group, options)


def readable(batch: str) -> Iterator[Envelope]:
    """Yield the envelopes of a batch; what is none becomes a dead letter as it came."""
    try:
        texts = json.loads(batch)
    except (TypeError, ValueError):
        texts = [batch]
    keys = worker_keys()
    for text in texts if isinstance(texts, list) else [batch]:
        try:
            yield unpack(text, keys)
        except DecodeError as error:
            persist(partial(bury, text, f"undecodable: {type(error).__name__}"))


def process_mailer(envelopes: Sequence[Envelope], options: QueueOptions) -> None:
    ready: list[Mail] = []
    keys = keys_from_settings(options.encryption_keys)
    store = attachment_store(options, keys)
    now = time.time()
    for envelope in envelopes:
        if envelope.expires_at is not None and envelope.expires_at <= now:
            give_up(envelope, "expired", options)
        elif envelope.due_at is not None and envelope.due_at > now:
            defer(envelope, options)
        else:
            ready += rebuilt(envelope, options, store)
    deliver_ready(ready, options)


def rebuilt(
    envelope: Envelope, options: QueueOptions, store: AttachmentStore | None
) -> Iterator[Mail]:
    """Yield the envelope with its message, unless that cannot be had now, or ever."""
    try:
        yield envelope, rebuild(envelope, store.fetch if store else refuse)
    except DecodeError as error:
        give_up(envelope, f"undecodable: {type(error).__name__}", options)
    except TransientDeliveryError:
        later = time.time() + options.retry.schedule[0]
        defer(dataclasses.replace(envelope, due_at=later), options)


def deliver_ready(mails: Sequence[Mail], options: QueueOptions) -> None:
    """Deliver as many as the state of the target allows; the rest waits, at no charge."""
    breaker = breakers[options.using]
    while mails and (allowed := breaker.allowance(time.time())) != 0:
        now, mails = mails[:allowed], mails[allowed or len(mails) :]
        for settlement in deliver(
            now, using=options.using, policy=options.retry, clock=time.time, random=random.random
        ):
            follow_up(settlement, options)
            if cause := breaker.note(settlement.outcomes.values(), time.time()):
                logger.error("Mailer %r pauses: %s.", options.using, cause.reason)
    for envelope, _ in mails:
        defer(dataclasses.replace(envelope, due_at=breaker.paused_until), options)


def follow_up(settlement: Settlement, options: QueueOptions) -> None:
    """Publish what an attempt left to do: the next attempt first, then the dead letters."""
    if settlement.again is not None:
        defer(settlement.again, options)
    for dead in settlement.dead:
        outcome = dead.outcome
        give_up(
            dead.envelope,
            dead.reason,
            options,
            kind=outcome.kind,
            stage=outcome.stage,
            code=outcome.code,
            enhanced=outcome.enhanced,
        )


def defer(envelope: Envelope, options: QueueOptions) -> None:
    """Publish an envelope to come back when it is due, or as much of that as a broker may hold."""
    countdown = max(0.0, (envelope.due_at or 0) - time.time())
    packed = pack(envelope, keys_from_settings(options.encryption_keys))
    lane: dict[str, Any] = {"queue": options.queue, "priority": options.priority}
    persist(partial(publish, [packed], **lane, countdown=countdown))
    logger.info("Mail %s: next attempt in %.0f s.", envelope.id, countdown)


def give_up(
    envelope: Envelope, reason: str, options: QueueOptions | None = None, **details: Any
) -> None:
    """Make an envelope a dead letter."""
    packed = pack(envelope, keys_from_settings(options.encryption_keys if options else ()))
    details |= {"id": envelope.id, "mailer": envelope.mailer}
    queue = options.queue if options else QueueOptions.DEFAULT_QUEUE
    persist(partial(bury, packed, reason, queue=queue, **details))
    logger.warning("Mail %s: dead letter, %s.", envelope.id, reason)


def bury(
    content: object, reason: str, *, queue: str = QueueOptions.DEFAULT_QUEUE, **details: Any
) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    park(DeadLetter(content=text, reason=reason, **details), publisher(), queue=queue)


def persist(publication: Callable[[], None]) -> None:
    """Publish, again and again while the broker is away; `PublishError` when patience ends."""
    end = time.monotonic() + PATIENCE
    pause = 1.0
    while True:
        try:
            return publication()
        except PublishError:
            if time.monotonic() + pause > end:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 30.0)


def park_whole(batch: str, error: Exception) -> None:
    reason = f"internal error: {type(error).__name__}"
    persist(partial(bury, batch, reason))
    # Neither the error's text nor its traceback's: both may quote the mail.
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("A batch became a dead letter: %s (%s:%s).", reason, place.name, place.lineno)
