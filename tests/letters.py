"""Dead letters as an oracle reads them: one for each recipient.

Recipients are named ``...r0.m12@example.test``: the first one of mail 12.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

from mailqueue.broker.dead import DeadLetter
from mailqueue.broker.message import queue_of_ring
from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import worker_keys

ADDRESS = re.compile(r"r(\d+)\.m(\d+)@example\.test")
OPENING = {Stage.CONNECT, Stage.TLS, Stage.AUTH}
MAILERS = {Kind.CONFIGURATION, Kind.RATE_LIMITED}
# RabbitMQ put it there itself, when it had come back too often.
BURIED, BROKERS = "redelivered too often by the broker", "broker"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter, for one recipient."""

    mail: int
    recipient: int
    kind: str
    stage: str
    code: int | None
    reason: str
    attempts: int
    died_at: float

    @property
    def name(self) -> str:
        return f"the dead letter of mail {self.mail} for recipient {self.recipient}"

    def unclear(self) -> Iterator[str]:
        """Yield what it does not say of its end."""
        if not (self.kind and self.reason):
            yield f"{self.name} does not say why: {self.kind!r} {self.reason!r}"
        if self.kind != BROKERS and not self.died_at:
            yield f"{self.name} does not say when"
        uncharged = self.ran_out or self.kind in (BROKERS, Kind.AMBIGUOUS)
        if not (self.attempts or uncharged):
            yield f"{self.name} does not say after how many attempts"
        if self.kind == Kind.PERMANENT and not self.ran_out and not self.code:
            yield f"{self.name} does not say what the mail server answered"

    @property
    def ran_out(self) -> bool:
        """Whether its time was over."""
        return self.reason.startswith(("too old", "expired"))

    @property
    def blames_the_mailer(self) -> bool:
        """Whether the fault that it names is none of the mail."""
        return self.kind in MAILERS or self.stage in OPENING


def letters_of(dead: DeadLetter) -> Iterator[Letter]:
    """Yield what a dead letter on the broker says of each recipient."""
    for envelope in envelopes_in(dead):
        kind = dead.kind or (BROKERS if dead.reason == BURIED else "")
        yield from letters_for(envelope, dead, kind, dead.died_at)


def letters_in(row: Any) -> Iterator[Letter]:
    """Yield what a dead row of the ledger says of each recipient."""
    envelope = unpack(row.payload, worker_keys())
    yield from letters_for(envelope, row, row.kind, row.finished_at.timestamp())


def letters_for(envelope: Envelope, dead: Any, kind: str, died_at: float) -> Iterator[Letter]:
    mail, recipients = recipients_of(envelope)
    for each in recipients:
        yield Letter(
            mail=mail,
            recipient=each,
            kind=kind,
            stage=dead.stage,
            code=dead.code,
            reason=dead.reason,
            attempts=dead.attempts,
            died_at=died_at,
        )


def envelopes_in(dead: DeadLetter) -> Iterator[Envelope]:
    """Yield the envelopes in a dead letter: one, or those of a task that RabbitMQ buried."""
    texts = [dead.content]
    if dead.reason == BURIED:
        texts = [] if queue_of_ring(dead.content) else json.loads(dead.content)
    for text in texts:
        yield unpack(text, worker_keys())


def recipients_of(envelope: Envelope) -> tuple[int, list[int]]:
    """Return the number of a mail, and those of the recipients that its envelope names."""
    names = envelope.recipients
    if names is None:
        fields = envelope.message
        names = [each for name in ("to", "cc", "bcc") for each in fields.get(name, ())]
    found = ADDRESS.findall(" ".join(names))
    return int(found[0][1]), [int(number) for number, _ in found]
