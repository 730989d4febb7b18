"""Hand messages to the target of a lane; whatever it does, each recipient has an outcome."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.delivery.connections import connections
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.outcome.outcome import LATE, Outcome, Outcomes, is_mailers
from mailqueue.outcome.report import checked, counted, reports_outcomes

Mail = tuple[EmailMessage, list[str]]  # with its recipients
MayGo = Callable[[int, float], bool]  # the number of a message, the seconds it may take

# What was said of the reports of targets, (mailer, fault): once is enough for each process.
faults_told: set[tuple[str, str]] = set()


def attempt(
    lane: Lane,
    messages: Sequence[EmailMessage],
    *,
    may_go: MayGo = lambda index, seconds: True,
) -> Iterator[Outcomes]:
    """Hand the messages to the target; yield what became of each, per recipient.

    `may_go` is asked as late as the target allows, with the number of a message and the seconds
    that it may take from then on, 0 where the target does not know.
    """
    # Asked before: a target may change the messages that it is given.
    mails = [(message, message.recipients()) for message in messages]
    late: set[int] = set()
    reported: list[object] = []
    error: Exception | None = None
    try:
        with connections.use(lane.options.using) as target:
            reporting = reports_outcomes(target)
            if reporting:
                late = ask(target, messages, may_go)
                going = [message for index, message in enumerate(messages) if index not in late]
                for outcomes in reports(target.deliver(going), limit=len(going) + 1):
                    reported.append(outcomes)  # one by one: what was told before an error counts
    except Exception as raised:  # noqa: BLE001 (classify knows them all; unknown ones are retried)
        error, reporting = raised, True
    if not reporting:
        yield from attempt_singly(lane, mails, may_go)
        return
    tried = [mail for index, mail in enumerate(mails) if index not in late]
    answers = completed(lane, tried, reported, error)
    for index, (_, recipients) in enumerate(mails):
        yield dict.fromkeys(recipients, LATE) if index in late else next(answers)


def ask(target: Any, messages: Sequence[EmailMessage], may_go: MayGo) -> set[int]:
    """Ask `may_go` of each message; return the numbers of those that may not.

    A target that has ``before_content`` asks by itself, just before the content of each goes.
    """
    numbers = {id(message): index for index, message in enumerate(messages)}
    if hasattr(target, "before_content"):
        target.before_content = lambda message: may_go(numbers[id(message)], longest(target))
        return set()
    return {index for index in numbers.values() if not may_go(index, longest(target))}


def longest(target: Any) -> float:
    """Return the seconds that a target says one message can take; 0 if it says nothing."""
    return float(target.longest()) if hasattr(target, "longest") else 0.0


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


def attempt_singly(lane: Lane, mails: Sequence[Mail], may_go: MayGo) -> Iterator[Outcomes]:
    """Hand one message after the other to a target that offers `send_messages()` alone."""
    failed: Outcome | None = None
    for index, (message, recipients) in enumerate(mails):
        if failed is not None:
            outcomes: Outcomes = dict.fromkeys(recipients, failed)
        elif not may_go(index, 0.0):
            outcomes = dict.fromkeys(recipients, LATE)
        else:
            outcomes = attempt_one(lane, message, recipients)
            failed = next(filter(is_mailers, outcomes.values()), None)
        yield outcomes


def attempt_one(lane: Lane, message: EmailMessage, recipients: Sequence[str]) -> Outcomes:
    """Hand one message to such a target; what it raises is an outcome."""
    try:
        with connections.use(lane.options.using) as target:
            return counted(target.send_messages([message]), recipients, message)
    except Exception as error:  # noqa: BLE001
        return lane.classify(error, recipients, message)
