"""What a target told, as an outcome for each recipient, whatever that was."""

from collections.abc import Iterator, Sequence

from django.core.mail import EmailMessage

from mailqueue.delivery.target import Told
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.opaque import Opaque
from mailqueue.outcome.outcome import LATE, Outcome, Outcomes
from mailqueue.outcome.report import checked, counted

Mail = tuple[EmailMessage, Opaque[list[str]]]  # with its recipients
Answer = Opaque[Outcomes]  # of one message

# What was said of the reports of targets, (mailer, fault): once is enough for each process.
faults_told: set[tuple[str, str]] = set()


def answers_of(lane: Lane, mails: Sequence[Mail], told: Told) -> Iterator[Answer]:
    """Yield an outcome for each recipient of each mail that a target was given."""
    tried = [mail for index, mail in enumerate(mails) if index not in told.late]
    answers = completed(lane, tried, told) if told.reporting else returned(lane, tried, told)
    for index, (_, recipients) in enumerate(mails):
        if index in told.late:
            yield untried(recipients, LATE)
        else:
            yield next(answers)


def untried(recipients: Opaque[list[str]], cause: Outcome) -> Answer:
    """Return the answer of a message that was not handed over."""
    return Opaque(dict.fromkeys(recipients.value, cause))


def completed(lane: Lane, mails: Sequence[Mail], told: Told) -> Iterator[Answer]:
    """Complete what was reported; where nothing was, the error counts."""
    if len(told.reports) > len(mails):
        tell_fault(lane.options.using, "more messages than it was given")
    for index, (message, recipients) in enumerate(mails):
        if index >= len(told.reports) and told.error is not None:
            yield Opaque(lane.classify(told.error.value, recipients.value, message))
            continue
        report = told.reports[index] if index < len(told.reports) else Opaque(None)
        answer, fault = complete(report, recipients)
        if fault:
            tell_fault(lane.options.using, fault)
        yield answer


def complete(report: Opaque[object], recipients: Opaque[list[str]]) -> tuple[Answer, str]:
    """Return what a target told of one message, for each recipient, and what was wrong with it."""
    outcomes, fault = checked(report.value, recipients.value)
    return Opaque(outcomes), fault


def tell_fault(using: str, fault: str) -> None:
    if (using, fault) not in faults_told:
        faults_told.add((using, fault))
        logger.error("The target of mailer %r reports wrongly: %s.", using, fault)


def returned(lane: Lane, mails: Sequence[Mail], told: Told) -> Iterator[Answer]:
    """Read what `send_messages()` returned, or raised, for each mail."""
    for index, (message, recipients) in enumerate(mails):
        error = told.error
        if error is None:
            try:
                yield Opaque(counted(told.reports[index].value, recipients.value, message))
                continue
            except Exception as raised:  # noqa: BLE001 (of what anymail noted on the message)
                error = Opaque(raised)
        yield Opaque(lane.classify(error.value, recipients.value, message))
