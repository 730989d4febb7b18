"""What a target reports of messages: its contract, and the one check that completes it. Pure.

A report is believed as far as it is clear. A recipient, or a message, of which it says nothing
was perhaps not delivered, so that is tried again; what it says of anybody else is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from email.utils import parseaddr
from typing import Any, Protocol, runtime_checkable

from django.core.mail import EmailMessage
from django.utils.encoding import punycode

from mailqueue.outcome import apis, codes
from mailqueue.outcome.outcome import Kind, Outcome, Outcomes, Stage

SILENT = codes.outcome(Kind.TRANSIENT, Stage.UNKNOWN, "the target reported no outcome")
NOTHING = codes.outcome(Kind.TRANSIENT, Stage.UNKNOWN, "the target reported nothing sent")
ACCEPTED = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED, reason="accepted")


@runtime_checkable
class ReportsOutcomes(Protocol):
    """A target that tells what became of each recipient, where others return a number.

    It says so by ``reports_outcomes = True``; a method that happens to be named ``deliver`` is
    not called. ``mailqueue.testing.TargetContract`` tests what is asked of it.
    """

    reports_outcomes: bool

    def deliver(self, messages: Sequence[EmailMessage], /) -> Iterable[Outcomes]:
        """Try each message once; tell of each, in order, what became of its recipients.

        The keys are those that ``message.recipients()`` has, each value an `Outcome`. Failures are
        outcomes; what is raised counts for the messages of which nothing was told before.
        """
        ...


def reports_outcomes(target: object) -> bool:
    """Tell whether the target has opted in to `ReportsOutcomes`.

    A class that overrides ``send_messages()`` of one that has, and not ``deliver()``, has not: its
    own way of sending would be passed by.
    """
    if getattr(target, "reports_outcomes", False) is not True:
        return False
    own = getattr(target, "__dict__", {})
    for names in (own, *map(vars, type(target).__mro__)):
        if "deliver" in names:
            return True
        if "send_messages" in names:
            return "reports_outcomes" in names and callable(getattr(target, "deliver", None))
    return False


def checked(reported: object, recipients: Sequence[str]) -> tuple[dict[str, Outcome], str]:
    """Complete what a target reported of one message: an outcome for each recipient, no others.

    Returns the outcomes, and in words what was wrong with the report, "" if nothing was.
    """
    if not isinstance(reported, Mapping):
        kind = "nothing" if reported is None else type(reported).__name__
        return dict.fromkeys(recipients, SILENT), f"expected outcomes by recipient, got {kind}"
    outcomes = valid_outcomes(reported, recipients)
    fault = ""
    if len(outcomes) < len(set(recipients)):
        fault = "a recipient without an outcome"
    elif strange := set(reported).difference(recipients):
        known = set(map(_bare, recipients))
        if any(_bare(name) not in known for name in strange):
            fault = "an outcome of somebody who is no recipient"
    return {name: outcomes.get(name, SILENT) for name in recipients}, fault


def counted(
    result: object, recipients: Sequence[str], message: EmailMessage | None = None
) -> dict[str, Outcome]:
    """Say what the value that ``send_messages([message])`` returned means, for each recipient.

    Sent is an int of 1 or more, nothing else: a backend that fails silently returns 0 or None.
    """
    if isinstance(result, bool) or not isinstance(result, int) or result < 1:
        return dict.fromkeys(recipients, NOTHING)
    return by_address(apis.statuses(message), recipients, ACCEPTED)


def valid_outcomes(told: object, recipients: Sequence[str]) -> dict[str, Outcome]:
    """Return, of what somebody else's code told, the outcomes that are some, by recipient."""
    if not isinstance(told, Mapping):
        return {}
    known = {name: valid for name, each in told.items() if (valid := _valid(each))}
    if known.keys() >= set(recipients):
        return {name: known[name] for name in recipients}
    bare = {_bare(name): outcome for name, outcome in known.items()}
    found = {name: known.get(name) or bare.get(_bare(name)) for name in recipients}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def by_address(
    outcomes: Mapping[str, Outcome], recipients: Sequence[str], rest: Outcome
) -> dict[str, Outcome]:
    """Put outcomes, known by bare address, under the names that the message has."""
    known = {_bare(address): outcome for address, outcome in outcomes.items()}
    return {recipient: known.get(_bare(recipient), rest) for recipient in recipients}


def _valid(told: Any) -> Outcome | None:
    """Return the outcome with fields of the right types, or None for what is none."""
    if not isinstance(told, Outcome):
        return None
    try:
        kind, stage = Kind(told.kind), Stage(told.stage)
    except ValueError:
        return None
    wait = apis.seconds(told.retry_after)
    code = told.code if type(told.code) is int and 0 <= told.code <= 999 else None
    return Outcome(
        kind=kind,
        stage=stage,
        code=code,
        enhanced=_text(told.enhanced),
        reason=_text(told.reason) or kind.replace("_", " "),
        retry_after=wait,
        queue_id=_text(told.queue_id),
    )


def _text(value: object) -> str | None:
    """Return a text of one line, or None; without what a database or a log does not take."""
    if not isinstance(value, str):
        return None
    line = " ".join(value.split())
    return (line if line.isprintable() else "".join(filter(str.isprintable, line))) or None


def _bare(recipient: object) -> str:
    address = parseaddr(str(recipient))[1] or str(recipient)
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{punycode(domain).lower()}"
    except UnicodeError:
        return address
