"""The worker's half: hand messages to their target, and say what is left to do for each."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from django.core.mail import EmailMessage

from mailqueue.codec import Fetch, decode
from mailqueue.delivery.connections import connections
from mailqueue.lanes import Lane
from mailqueue.outcome.outcome import Kind, Outcome, Outcomes, Stage
from mailqueue.outcome.report import checked, counted, reports_outcomes
from mailqueue.outcome.settlement import Settlement, settle
from mailqueue.wire.envelope import Envelope

Mail = tuple[EmailMessage, list[str]]  # with its recipients

# Failures before a message is named concern the mailer; the rest of a batch would meet them too.
MAILER_WIDE = {Stage.CONNECT, Stage.TLS, Stage.AUTH}

# What was said of the reports of targets, (mailer, fault): once is enough for each process.
faults_told: set[tuple[str, str]] = set()

logger = logging.getLogger("mailqueue")


def deliver(
    mails: Sequence[tuple[Envelope, EmailMessage]],
    lane: Lane,
    *,
    clock: Callable[[], float] = time.time,
    random: Callable[[], float] = random.random,
) -> Iterator[Settlement]:
    """Try each mail once through the mailer that the lane uses; yield a settlement for each."""
    results = attempt(lane, [message for _, message in mails])
    for (envelope, _), outcomes in zip(mails, results, strict=True):
        yield settle(envelope, outcomes, policy=lane.options.retry, now=clock(), random=random)


def deliver_singly(
    mails: Sequence[tuple[Envelope, EmailMessage]],
    lane: Lane,
    *,
    hand_over: Callable[[Envelope], bool],
    clock: Callable[[], float] = time.time,
    random: Callable[[], float] = random.random,
) -> Iterator[Settlement]:
    """Try one after the other, each if `hand_over` still allows it; others get no settlement.

    The settlement of one is taken before the next is handed over, so that a crash leaves at most
    one mail of which nobody knows whether it was sent.
    """
    failed: Outcome | None = None
    for envelope, message in mails:
        if failed is not None:
            outcomes: Outcomes = dict.fromkeys(message.recipients(), failed)
        elif hand_over(envelope):
            [outcomes] = attempt(lane, [message])
            failed = mailer_wide(outcomes)
        else:
            continue
        yield settle(envelope, outcomes, policy=lane.options.retry, now=clock(), random=random)


def rebuild(envelope: Envelope, fetch: Fetch) -> EmailMessage:
    """Return the message of an envelope, for those recipients that remain.

    Raises `DecodeError`, and `TransientDeliveryError` when a content cannot be fetched now.
    """
    return addressed(decode(envelope.message, fetch=fetch), envelope.recipients)


def addressed(message: EmailMessage, recipients: Sequence[str] | None) -> EmailMessage:
    """Limit the envelope recipients of a message; its headers stay as they were."""
    if recipients is not None:
        message.recipients = lambda: list(recipients)  # type: ignore[method-assign]
    return message


def attempt(lane: Lane, messages: Sequence[EmailMessage]) -> Iterator[Outcomes]:
    """Hand the messages to the target; yield what became of each, per recipient."""
    # Asked before: a target may change the messages that it is given.
    mails = [(message, message.recipients()) for message in messages]
    reported: list[object] = []
    error: Exception | None = None
    try:
        with connections.use(lane.options.using) as target:
            reporting = reports_outcomes(target)
            if reporting:
                for outcomes in reports(target.deliver(messages), limit=len(messages) + 1):
                    reported.append(outcomes)  # one by one: what was told before an error counts
    except Exception as raised:  # noqa: BLE001 (classify knows them all; unknown ones are retried)
        error, reporting = raised, True
    if reporting:
        yield from completed(lane, mails, reported, error)
    else:
        yield from attempt_singly(lane, mails)


def reports(told: object, *, limit: int) -> Iterable[object]:
    """Return what a target told, message by message; nothing if that is no such thing."""
    if isinstance(told, Mapping | str | bytes) or not isinstance(told, Iterable):
        return ()
    return islice(told, limit)


def completed(
    lane: Lane, mails: Sequence[Mail], reported: Sequence[object], error: Exception | None
) -> Iterator[Outcomes]:
    """Yield an outcome for each recipient of each mail, whatever the target told."""
    if len(reported) > len(mails):
        tell_fault(lane.options.using, "more messages than it was given")
    for index, (message, recipients) in enumerate(mails):
        if index >= len(reported) and error is not None:
            yield lane.classify(error, recipients, message)
            continue
        told = reported[index] if index < len(reported) else None
        outcomes, fault = checked(told, recipients)
        if fault:
            tell_fault(lane.options.using, fault)
        yield outcomes


def tell_fault(using: str, fault: str) -> None:
    if (using, fault) not in faults_told:
        faults_told.add((using, fault))
        logger.error("The target of mailer %r reports wrongly: %s.", using, fault)


def attempt_singly(lane: Lane, mails: Sequence[Mail]) -> Iterator[Outcomes]:
    """Hand one message after the other to a target that offers `send_messages()` alone."""
    failed: Outcome | None = None
    for message, recipients in mails:
        if failed is None:
            outcomes = attempt_one(lane, message, recipients)
            failed = mailer_wide(outcomes)
        else:
            outcomes = dict.fromkeys(recipients, failed)
        yield outcomes


def attempt_one(lane: Lane, message: EmailMessage, recipients: Sequence[str]) -> Outcomes:
    """Hand one message to such a target; what it raises is an outcome."""
    try:
        with connections.use(lane.options.using) as target:
            return counted(target.send_messages([message]), recipients, message)
    except Exception as error:  # noqa: BLE001
        return lane.classify(error, recipients, message)


def mailer_wide(outcomes: Outcomes) -> Outcome | None:
    """Return the failure that is the mailer's own, if that is what this attempt ended with."""
    for outcome in outcomes.values():
        if outcome.kind is Kind.CONFIGURATION or outcome.stage in MAILER_WIDE:
            return outcome
    return None
