"""Faults that the code had once, or might have: a simulation that misses one of them is blind."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from django.db.models import QuerySet

from mailqueue.delivery import claiming, deliver
from mailqueue.delivery.attempt import Attempt, Numbered, Share
from mailqueue.delivery.couriers import Courier
from mailqueue.delivery.deliver import Gate, is_expired
from mailqueue.delivery.target import Told
from mailqueue.enqueue import accept
from mailqueue.ledger import database, taking
from mailqueue.ledger.claims import Claims
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.inserting import Row
from mailqueue.ledger.models import Entry
from mailqueue.outcome import settlement
from mailqueue.outcome.outcome import Stage
from mailqueue.smtp.transaction import Command, Transaction
from mailqueue.wire.envelope import Envelope


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


def judged_for_one(
    self: Attempt, courier: Courier, share: Share, told: Told, *, alone: bool
) -> Generator[Numbered, None, bool]:
    """Forget what one of several connections brings back."""
    told_of = judged(self, courier, share, told, alone=alone)
    if alone or len(self.out) != 1:
        return (yield from told_of)
    while True:
        try:
            next(told_of)
        except StopIteration as end:
            return bool(end.value)


def charged_twice(envelope: Envelope, decisions: Any, now: float) -> Envelope | None:
    """Charge an attempt twice."""
    again = once_more(envelope, decisions, now)
    charged = again is not None and again.attempts > envelope.attempts
    return replace(again, attempts=again.attempts + 1) if again and charged else again


def much_later(envelope: Envelope, decisions: Any, now: float) -> Envelope | None:
    """Take the seconds until the next attempt for minutes."""
    again = once_more(envelope, decisions, now)
    if again is None or again.due_at is None:
        return again
    return replace(again, due_at=now + 60 * (again.due_at - now))


def row_with_its_end(envelope: Envelope, packed: str, **times: float) -> Row:
    """Let a mail that waits be forgotten as one that is sent."""
    return new_row(envelope, packed, **times) | {"purge_at": 60.0}


def several_are_due(self: DatabaseLedger) -> bool:
    """Ring for what is more than one mail."""
    return self.entries.filter(mailer=self.mailer, due_at__lte=Clock()).count() > 1


opening, judged = Transaction.opening, Attempt.judged
once_more, new_row = settlement.once_more, database.new_row

MUTANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "lease": lambda: mock.patch.object(deliver.Gate, "lets_go", goes_unless_expired),
    "expires": lambda: mock.patch.object(deliver.Gate, "lets_go", goes_with_its_lease),
    "dropped": lambda: mock.patch.object(claiming, "note", note_once),
    "paused": lambda: mock.patch.object(taking, "due", due_or_paused),
    "rollback": lambda: mock.patch.object(accept, "open_blocks", return_value=[]),
    "one connection": lambda: mock.patch.object(Attempt, "judged", judged_for_one),
    "charged": lambda: mock.patch.object(settlement, "once_more", charged_twice),
    "late": lambda: mock.patch.object(settlement, "once_more", much_later),
    "purged": lambda: mock.patch.object(database, "new_row", row_with_its_end),
    "last ring": lambda: mock.patch.object(DatabaseLedger, "is_due", several_are_due),
    "shifted": lambda: mock.patch.object(Transaction, "opening", shifted),
}
