"""Which window each second copy fell into, by what happened to that very mail.

- The relay's answer to the copy before did not come to the worker, or too late: B1, W1.
- The worker that had handed over the copy before was killed behind it: B2; W2 if the ledger has no
  note of that copy, either.
- The sender published the envelope twice: B6.
- The broker gave the envelope to workers twice: B3; on Redis also B4, where as much time lay
  between as Redis leaves a worker. No message says why the broker gave it away.
- The worker that had the copy before, or this one, was stopped while it had it in hand: W3.
"""

import base64
import binascii
import dataclasses
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mailqueue.errors import DecodeError
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import Keys
from tests.canaries import ENCRYPTION_KEY, SIGNING_KEY
from tests.chaos.matrix.relay import Copy
from tests.chaos.matrix.systems import LEDGER, TIMES
from tests.letters import ADDRESS, recipients_of
from tests.proxy import Flow

BATCH = 10  # mails in the hands of a worker
IN_FLIGHT = 1.0  # seconds in which the relay reads what a killed worker had written
ANSWER = re.compile(rb"queued as (\d+)\r\n")
ENVELOPE = re.compile(rb"1\.\w+\.[A-Za-z0-9+/=]+:[A-Za-z0-9_-]+")
BASE64 = re.compile(rb"[A-Za-z0-9+/=]{200,}")  # which is what kombu makes of a body on Redis

Who = tuple[int, int]  # number of a mail and of a recipient


class Event(NamedTuple):
    """What happened to a worker, from when to when: "killed" or "stopped"."""

    what: str
    worker: str
    begin: float
    end: float


class Note(NamedTuple):
    """What the ledger knows of an attempt; `queue_id` is the place that the relay told."""

    message_id: str
    kind: str
    queue_id: str


@dataclasses.dataclass(kw_only=True)
class Traces:
    """What a cell leaves beside the mails.

    - ``waited``: how long workers waited for the relay's answers, by the place of the copy.
    - ``published``, ``given``: when envelopes passed from the senders, and to the workers.
    - ``visible_again``: seconds after which the broker gives away what a worker has.
    """

    level: str
    copies: Sequence[Copy]
    waited: dict[int, float] = dataclasses.field(default_factory=dict)
    published: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    given: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    visible_again: float = math.inf
    notes: Sequence[Note] = ()
    events: Sequence[Event] = ()

    def windows(self, allowed: Sequence[str]) -> Iterator[tuple[Who, str]]:
        """Yield whom each second copy went to, and its window: none if nothing explains it."""
        copies: defaultdict[Who, list[Copy]] = defaultdict(list)
        for copy in sorted(self.copies, key=lambda copy: copy.at):
            for who, number in ADDRESS.findall(" ".join(copy.recipients)):
                copies[int(number), int(who)].append(copy)
        envelopes = self.envelopes()
        for whom, several in copies.items():
            for before, copy in pairwise(several):
                found = self.found(before, copy, envelopes.get(whom, ()))
                yield whom, next((each for each in allowed if each in found), "")

    def found(self, before: Copy, copy: Copy, envelopes: Iterable[str]) -> set[str]:
        """Return the windows that the traces show between two copies."""
        killed = self.had(before, "killed", copy.at)
        if self.level == LEDGER:
            noted = any(note.queue_id == str(before.place) for note in self.notes)
            doubted = (before.message_id, "ambiguous") in {note[:2] for note in self.notes}
            stopped = self.had(before, "stopped", copy.at) or self.had(copy, "stopped", copy.at)
            shown = {
                "W1": self.unanswered(before) and doubted,
                "W2": killed and not noted,
                "W3": stopped,
            }
            return {window for window, shows in shown.items() if shows}
        found = {"B1"} if self.unanswered(before) else set()
        for each in envelopes:
            given = [at for at in self.given.get(each, ()) if at < copy.at]
            if len(given) < 2:
                continue
            again = len(self.published.get(each, ())) > 1
            found |= {"B6" if again else "B3", *({"B2"} if killed else ())}
            if any(late - at >= self.visible_again for at, late in pairwise(given)):
                found.add("B4")
        return found

    def unanswered(self, copy: Copy) -> bool:
        """Tell whether the worker heard nothing for as long as it waits for the answer."""
        waited = self.waited.get(copy.place)
        return waited is None or waited > 0.9 * TIMES["final_timeout"]

    def had(self, copy: Copy, what: str, until: float) -> bool:
        """Tell whether this happened to a copy's worker while it may have had the mail in hand."""
        for event in self.events:
            if (event.what, event.worker) == (what, copy.worker) and event.begin <= until:
                before = [
                    each.at
                    for each in self.copies
                    if each.worker == copy.worker and each.at <= event.end + IN_FLIGHT
                ]
                if copy.at in before[-BATCH:]:
                    return True
        return False

    def envelopes(self) -> dict[Who, list[str]]:
        """Return the envelopes that were for each recipient."""
        keys = Keys([SIGNING_KEY], [ENCRYPTION_KEY])
        found: defaultdict[Who, list[str]] = defaultdict(list)
        for text in self.given:
            try:
                number, recipients = recipients_of(unpack(text, keys))
            except DecodeError:  # cut off
                continue
            for each in recipients:
                found[number, each].append(text)
        return found


def waits(flows: Sequence[Flow]) -> dict[int, float]:
    """Return how long clients waited for the relay's answers, by the place that they name.

    A client waits from its last word on, also where that is held back on its way.
    """
    said = {flow.connection: flow.said for flow in flows if flow.from_client}
    waited = {}
    for flow in flows:
        if not flow.from_client:
            for found in ANSWER.finditer(bytes(flow.heard)):
                at = flow.when(found.end())
                last = max(each for each in said[flow.connection] if each <= at)
                waited[int(found[1])] = at - last
    return waited


def passed(flows: Iterable[Flow], *, to_broker: bool) -> dict[str, list[float]]:
    """Return when each envelope passed by."""
    seen: defaultdict[str, list[float]] = defaultdict(list)
    for flow in flows:
        if flow.from_client == to_broker:
            heard = bytes(flow.heard)  # it may still grow
            for found in ENVELOPE.finditer(heard):
                seen[found[0].decode()].append(flow.when(found.end()))
            for run in BASE64.finditer(heard):
                for text in ENVELOPE.findall(decoded(run[0])):
                    seen[text.decode()].append(flow.when(run.end()))
    return seen


def decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
