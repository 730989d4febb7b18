"""What is in the table and in messages, as whoever looks on sees it: without Django's models."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mailqueue.broker.dead import read
from mailqueue.ledger.models import Attempt, Entry, Pause, Recipient
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import worker_keys
from tests.letters import envelopes_in, recipients_of
from tests.simulation.plan import MEMORY

TABLE = Entry._meta.db_table


class Row(NamedTuple):
    """A mail of the ledger: whose it is, what it is, and when it is due or its lease ends."""

    fence: str
    state: str
    due_at: float


class Dead(NamedTuple):
    """What a dead letter of the ledger says."""

    payload: str
    kind: str
    stage: str
    code: int | None
    reason: str
    attempts: int
    finished_at: datetime


class Rows:
    """The table of the ledger; also what is written and not yet committed."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(
            MEMORY, uri=True, check_same_thread=False, isolation_level=None
        )
        self.connection.execute("PRAGMA read_uncommitted = true")

    def ask(self, query: str, *values: Any) -> list[Any]:
        with closing(self.connection.execute(query, values)) as cursor:
            return cursor.fetchall()

    def clear(self) -> None:
        for model in (Attempt, Recipient, Entry, Pause):
            self.ask(f"DELETE FROM {model._meta.db_table}")

    def close(self) -> None:
        self.connection.close()

    def row(self, message_id: str) -> Row | None:
        """Return the row of a mail; that of those who are still to get it, if there are two."""
        query = f"SELECT fence, state, due_at FROM {TABLE} WHERE message_id = ?"
        found = self.ask(f"{query} ORDER BY state = 'sending' DESC LIMIT 1", message_id)
        for fence, state, due_at in found:
            return Row(fence, state, time_of(due_at).timestamp() if due_at else float("inf"))
        return None

    def next_due(self) -> float | None:
        [[due]] = self.ask(f"SELECT MIN(due_at) FROM {TABLE}")
        return None if due is None else time_of(due).timestamp()

    def in_hand(self) -> Iterator[tuple[int, str]]:
        """Yield the mails that somebody has claimed, with the fence of the claim."""
        query = f"SELECT payload, fence FROM {TABLE} WHERE state = 'sending'"
        for payload, fence in self.ask(query):
            yield recipients_of(unpack(payload, worker_keys()))[0], fence

    def dead(self) -> Iterator[Dead]:
        query = f"SELECT {', '.join(Dead._fields)} FROM {TABLE} WHERE state = 'dead'"
        for *what, finished_at in self.ask(query):
            yield Dead(*what, time_of(finished_at))

    def is_paused(self) -> bool:
        return bool(self.ask(f"SELECT 1 FROM {Pause._meta.db_table}"))


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opened(body: bytes) -> Iterator[Envelope]:
    """Yield the envelopes in a message of the mail queue, which is read as if it were buried."""
    return envelopes_in(read(body))
