"""Hand messages to the open target of this thread, and keep what it tells.

Any thread may do it. What the answers mean is judged by the task's own: `delivery.answers`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage

from mailqueue.delivery.connections import connections
from mailqueue.opaque import Opaque
from mailqueue.outcome.report import reports_outcomes

MayGo = Callable[[int, float], bool]  # the number of a message, the seconds it may take


@dataclass(slots=True)
class Told:
    """What a target told of the messages that it was given.

    ``late`` has the numbers of those that were not to go. ``reports`` are one by one: what was told
    before an ``error`` counts. Without ``reporting`` they are what `send_messages()` returned.
    ``longest`` is how many seconds one message can take, 0 if nobody knows.
    """

    reporting: bool = True
    late: set[int] = field(default_factory=set)
    reports: list[Opaque[object]] = field(default_factory=list)
    error: Opaque[Exception] | None = None
    longest: float = 0.0


def hand_over(using: str, messages: Sequence[EmailMessage], may_go: MayGo) -> Told:
    """Hand the messages to the target of a mailer, if it reports outcomes; else tell that only.

    `may_go` is asked as late as the target allows, with the number of a message and the seconds
    that it may take from then on.
    """
    told = Told()
    try:
        with connections.use(using) as target:
            told.reporting = reports_outcomes(target)
            if told.reporting:
                told.longest = longest(target)
                told.late = ask(target, messages, may_go, told.longest)
                going = [each for index, each in enumerate(messages) if index not in told.late]
                for report in reports(target.deliver(going), limit=len(going) + 1):
                    told.reports.append(Opaque(report))
    except Exception as error:  # noqa: BLE001 (classify knows them all; unknown ones are retried)
        told.reporting, told.error = True, Opaque(error)
    return told


def hand_over_one(using: str, message: EmailMessage, may_go: MayGo) -> Told:
    """Hand a message to a target that offers `send_messages()` alone."""
    told = Told(reporting=False)
    if not may_go(0, 0.0):  # it does not say how long it may take
        told.late = {0}
        return told
    try:
        with connections.use(using) as target:
            told.reports.append(Opaque(target.send_messages([message])))
    except Exception as error:  # noqa: BLE001
        told.error = Opaque(error)
    return told


def ask(target: Any, messages: Sequence[EmailMessage], may_go: MayGo, seconds: float) -> set[int]:
    """Ask `may_go` of each message, which may take so many seconds; return who may not, by number.

    A target that has ``before_content`` asks by itself, just before the content of each goes.
    """
    numbers = {id(message): index for index, message in enumerate(messages)}
    if hasattr(target, "before_content"):
        target.before_content = lambda message: may_go(numbers[id(message)], seconds)
        return set()
    return {index for index in numbers.values() if not may_go(index, seconds)}


def longest(target: Any) -> float:
    """Return the seconds that a target says one message can take; 0 if it says nothing.

    Raises `ImproperlyConfigured` for no such number: no message is at fault then.
    """
    if not hasattr(target, "longest"):
        return 0.0
    try:
        seconds = float(target.longest())
    # All kinds: left as they are, some would be taken for faults of a message, which dies of them.
    except Exception as error:  # noqa: BLE001 (it is the target's own code)
        raise ImproperlyConfigured(f"longest() of a target: {type(error).__name__}") from None
    if not seconds >= 0:  # nan, with which no time would ever be enough
        raise ImproperlyConfigured(f"longest() of a target: expected seconds, got {seconds}")
    return seconds


def reports(told: object, *, limit: int) -> Iterable[object]:
    """Return what a target told, message by message; nothing if that is no such thing."""
    if isinstance(told, Mapping | str | bytes) or not isinstance(told, Iterable):
        return ()
    return islice(told, limit)
