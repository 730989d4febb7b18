"""The task that delivers a batch of envelopes, and publishes what follows before it is acked."""

import contextlib
import json
import logging
import random
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from celery import shared_task, signals
from celery.exceptions import Reject

from mailqueue.broker.dead import DeadLetter, park
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import prepare_worker
from mailqueue.broker.screen import Screen
from mailqueue.delivery.connections import connections
from mailqueue.delivery.deliver import Settlement
from mailqueue.delivery.deliver import deliver as attempt
from mailqueue.errors import DecodeError, PublishError
from mailqueue.lanes import options_of, queue_names
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import Envelope, pack, unpack
from mailqueue.wire.keys import keys_from_settings

NAME = "mailqueue.deliver"

# How long a worker holds a batch whose next attempts the broker does not take. Giving it back
# means sending the delivered part of it again, so patience is worth a worker's time.
PATIENCE = 600.0

logger = logging.getLogger("mailqueue")


def publish(
    batch: Sequence[str], *, queue: str, priority: int | None = None, countdown: float = 0
) -> None:
    """Publish packed envelopes as one task; raises `PublishError`."""
    publisher().task(
        NAME, json.dumps(list(batch)), queue=queue, priority=priority, countdown=countdown
    )


@shared_task(
    name=NAME,
    acks_late=True,
    reject_on_worker_lost=True,
    acks_on_failure_or_timeout=False,
    ignore_result=True,
    store_errors_even_if_ignored=False,
)
def deliver(batch: str) -> None:
    """Deliver a batch: the JSON array of packed envelopes that `publish` made.

    Returning acks it, so by then each mail is sent, published again, or a dead letter.
    """
    try:
        try:
            process(batch)
        except PublishError:
            raise
        except Exception as error:  # noqa: BLE001
            # A defect of ours must neither lose the batch nor send it for ever.
            park_whole(batch, error)
    except PublishError:
        raise Reject("what follows could not be published", requeue=True) from None


def park_whole(batch: str, error: Exception) -> None:
    reason = f"internal error: {type(error).__name__}"
    persist(partial(bury, batch, reason))
    # Neither the error's text nor its traceback's: both may quote the mail.
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("A batch became a dead letter: %s (%s:%s).", reason, place.name, place.lineno)


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
    keys = keys_from_settings()
    for text in texts if isinstance(texts, list) else [batch]:
        try:
            yield unpack(text, keys)
        except DecodeError as error:
            persist(partial(bury, text, f"undecodable: {type(error).__name__}"))


def process_mailer(envelopes: Sequence[Envelope], options: QueueOptions) -> None:
    ready = []
    now = time.time()
    for envelope in envelopes:
        if envelope.expires_at is not None and envelope.expires_at <= now:
            give_up(envelope, "expired", options)
        elif envelope.due_at is not None and envelope.due_at > now:
            defer(envelope, options)
        else:
            ready.append(envelope)
    for settlement in attempt(
        ready, using=options.using, policy=options.retry, clock=time.time, random=random.random
    ):
        follow_up(settlement, options)


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
    packed = pack(envelope, keys_from_settings())
    lane: dict[str, Any] = {"queue": options.queue, "priority": options.priority}
    persist(partial(publish, [packed], **lane, countdown=countdown))
    logger.info("Mail %s: next attempt in %.0f s.", envelope.id, countdown)


def give_up(
    envelope: Envelope, reason: str, options: QueueOptions | None = None, **details: Any
) -> None:
    """Make an envelope a dead letter."""
    packed = pack(envelope, keys_from_settings())
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


@signals.celeryd_init.connect
def add_queues(instance: Any, **kwargs: Any) -> None:
    """Let a worker know our queues, before it decides which to consume (``-Q``, or all).

    A worker whose MAILERS is wrong does not start; Celery would swallow any other exception.
    """
    try:
        names = queue_names()
    except InvalidMailer as error:
        raise SystemExit(f"mailqueue: {error}") from None
    prepare_worker(instance.app, names)
    instance.app.steps["consumer"].add(Screen)


@signals.worker_ready.connect
def add_dead_queues(**kwargs: Any) -> None:
    """Declare the dead letter queues, so that RabbitMQ can put its own dead letters there."""
    with contextlib.suppress(PublishError):
        publisher().declare_dead(queue_names())


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def close_connections(**kwargs: Any) -> None:
    connections.close()
