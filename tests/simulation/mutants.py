"""Faults that the code had once, or might have: a simulation that misses one of them is blind."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from django.db.models import QuerySet

from mailqueue.delivery import deliver, work
from mailqueue.delivery.deliver import Gate, is_expired
from mailqueue.ledger import taking
from mailqueue.ledger.claims import Claims
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.models import Entry
from mailqueue.outcome.outcome import Stage
from mailqueue.smtp.transaction import Command, Transaction


def goes_unless_expired(self: Gate, index: int, seconds: float) -> bool:
    """Go on with a window although its lease has ended."""
    envelope = self.envelopes[index]
    self.begun[index] = self.clock()
    if is_expired(envelope, self.begun[index]):
        self.late.add(index)
    self.may_go(envelope, -1e9)  # it is noted as gone
    return index not in self.late


def goes_with_its_lease(self: Gate, index: int, seconds: float) -> bool:
    """Look at ``expires`` at the start of a window alone."""
    envelope = self.envelopes[index]
    self.begun[index] = self.clock()
    if not self.may_go(envelope, seconds):
        self.late.add(index)
    return index not in self.late


def note_once(
    done: Any, results: Sequence[Any], claim: Callable[[], Claims], disown: Callable[[], None]
) -> Any:
    """Drop the outcomes of a window when the database is away."""
    with done.kept().together():
        return done.kept().finish(results), claim(), None


def due_or_paused(mailer: str, database: str, *, outlived: bool) -> QuerySet[Entry]:
    """Claim what is due, whether its mailer is paused or not."""
    rows = Entry.objects.using(database).filter(mailer=mailer, due_at__lte=Clock())
    return rows.filter(give_up_at__lte=Clock()) if outlived else rows


def shifted(self: Transaction) -> Iterator[Command]:
    """Take the answer to each recipient for that to the next one."""
    for command in opening(self):
        if command.recipient is None:
            yield command
            continue
        place = self.recipients.index(command.recipient)
        other = self.recipients[(place + 1) % len(self.recipients)]
        yield Command(Stage.RECIPIENT, command.data, other)


opening = Transaction.opening

MUTANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "lease": lambda: mock.patch.object(deliver.Gate, "lets_go", goes_unless_expired),
    "expires": lambda: mock.patch.object(deliver.Gate, "lets_go", goes_with_its_lease),
    "dropped": lambda: mock.patch.object(work, "note", note_once),
    "paused": lambda: mock.patch.object(taking, "due", due_or_paused),
    "shifted": lambda: mock.patch.object(Transaction, "opening", shifted),
}
