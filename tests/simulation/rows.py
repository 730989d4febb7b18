"""What is in the table and in messages, as whoever looks on sees it: without Django's models."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mailqueue.broker.dead import read
from mailqueue.broker.message import queue_of_ring
from mailqueue.ledger.models import Attempt, Entry, Pause, Recipient
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import worker_keys
from tests.simulation.plan import MEMORY
from tests.simulation.session import ADDRESS

TABLE = Entry._meta.db_table
BROKERS = "redelivered too often by the broker"


class Row(NamedTuple):
    """A mail of the ledger: whose it is, what it is, and when it is due or its lease ends."""

    fence: str
    state: str
    due_at: float


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
            return Row(fence, state, seconds_of(due_at) if due_at else float("inf"))
        return None

    def next_due(self) -> float | None:
        [[due]] = self.ask(f"SELECT MIN(due_at) FROM {TABLE}")
        return None if due is None else seconds_of(due)

    def in_hand(self) -> Iterator[tuple[int, str]]:
        """Yield the mails that somebody has claimed, with the fence of the claim."""
        query = f"SELECT payload, fence FROM {TABLE} WHERE state = 'sending'"
        for payload, fence in self.ask(query):
            yield recipients_of(unpack(payload, worker_keys()))[0], fence

    def is_paused(self) -> bool:
        return bool(self.ask(f"SELECT 1 FROM {Pause._meta.db_table}"))


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def opened(body: bytes) -> Iterator[Envelope]:
    """Yield the envelopes in a message of the mail queue, or of dead letters."""
    letter = read(body)
    texts = [letter.content]
    if letter.reason == BROKERS:  # it is a task, which the broker may have buried
        texts = [] if queue_of_ring(letter.content) else json.loads(letter.content)
    for text in texts:
        yield unpack(text, worker_keys())


def recipients_of(envelope: Envelope) -> tuple[int, list[int]]:
    """Return the number of a mail, and those of the recipients that its envelope names."""
    names = envelope.recipients
    found = ADDRESS.findall(" ".join(names if names is not None else envelope.message["to"]))
    return int(found[0][1]), [int(number) for number, _ in found]
