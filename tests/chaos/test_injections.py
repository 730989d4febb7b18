"""Line breaks where a header could be forged: an error for the caller, or no forgery."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import django.core.mail
import pytest
from django.test import override_settings

import mailqueue.mail
from mailqueue.broker.dead import peek
from mailqueue.broker.publish import publisher
from mailqueue.log import floods
from mailqueue.mail import mailers
from mailqueue.testing.memory import queue_in_memory
from tests.chaos.injections import (
    BREAKS,
    CONTENTS,
    EVIL,
    FORMS,
    HARMLESS,
    PAYLOADS,
    PLACES,
    Injection,
)
from tests.chaos.reading import LENIENT, STRICT, Part, read
from tests.chaos.seeds import chance, rounds
from tests.smtp.scripted import Server, Taken

AT_ONCE = 100

CLASSES: dict[str, Any] = {
    "Django's": django.core.mail.EmailMultiAlternatives,
    "ours": mailqueue.mail.EmailMultiAlternatives,
}
# What the server offers; whether the queue is between; who gets a blind copy, which tells the mail.
WAYS: dict[str, tuple[tuple[str, ...], bool, str]] = {
    "queue, 8 bits": (("PIPELINING", "8BITMIME"), True, "n{}@example.test"),
    "queue, 7 bits": (("PIPELINING",), True, "n{}@example.test"),
    "queue, UTF-8": (("PIPELINING", "8BITMIME", "SMTPUTF8"), True, "nü{}@example.test"),
    "directly": (("PIPELINING", "8BITMIME"), False, "n{}@example.test"),
}
# Values that are in order, for places where "a" is not.
INNOCENT = {
    "charset": "utf-8",
    "alternative's type": "text/html",
    "attachment's type": "image/png",
    "header Content-Type": "text/plain; charset=utf-8",
    "header MIME-Version": "1.0",
    **dict.fromkeys(("header To", "header From", "header Sender"), "a@example.test"),
    "Python's message's to": "a@example.test",
    "header Date": "Sat, 31 Jan 2026 12:30:45 +0000",
    "header Message-ID": "<a@example.test>",
}
USUAL = Counter(["mime-version", "content-type", "content-transfer-encoding"])
USUAL.update(["content-disposition"])


@dataclasses.dataclass(frozen=True)
class Case:
    injection: Injection
    cls: str

    def message(self, copy: str, text: str | None = None) -> Any:
        place = PLACES[self.injection.place]
        message = place(CLASSES[self.cls], self.injection.text if text is None else text)
        message.bcc = [*message.bcc, copy]
        return message


def all_cases() -> Iterator[Case]:
    every = itertools.product(PLACES, FORMS, BREAKS, (False, True), PAYLOADS, CLASSES)
    for place, form, broken, doubled, payload, cls in every:
        if (place, form) not in HARMLESS:
            yield Case(Injection(place, form, broken, doubled, payload), cls)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_forged(way: str) -> None:
    extensions, queued, copy = WAYS[way]
    cases = list(all_cases())
    chance(f"injections, {way}").shuffle(cases)
    floods.flush()
    with Server(extensions=extensions) as server, project(server.port):
        outer = Wire(server, copy)
        faults: list[Fault] = []
        for turn in rounds():
            if not (some := cases[turn * AT_ONCE :][:AT_ONCE]):
                break  # all there are
            faults += outer.through_the_queue(some) if queued else outer.directly(some)
        print(f"{way}: {outer.tried} tried, {outer.refused} refused, {outer.arrived} arrived")
    assert outer.arrived > outer.tried / 50  # else nothing was seen
    assert not faults, told(faults)


Fault = tuple[Case, str]


class Wire:
    """Sends cases to a server, and looks at what arrives there."""

    def __init__(self, server: Server, copy: str) -> None:
        self.server = server
        self.copy = copy
        self.tried = self.refused = self.arrived = 0
        self.innocent: dict[tuple[str, str], Taken] = {}

    def directly(self, cases: Iterable[Case]) -> Iterator[Fault]:
        with mailers["smtp"] as target:  # one connection for all of them
            for case in cases:
                if copy := self.accepted(target.send_messages, case):
                    yield from self.look({copy: case}, target.send_messages)

    def through_the_queue(self, cases: Iterable[Case]) -> Iterator[Fault]:
        with queue_in_memory() as deliver:

            def send(messages: Any) -> None:
                mailers["default"].send_messages(messages)
                deliver()

            sent: dict[str, Case] = {}
            for case in cases:
                if copy := self.accepted(mailers["default"].send_messages, case):
                    sent[copy] = case
            deliver()
            yield from self.look(sent, send)

    def accepted(self, send: Callable[[Any], object], case: Case) -> str:
        """Try a case; return who gets the copy that tells it, "" if it is an error."""
        copy = self.copy.format(self.tried)
        self.tried += 1
        try:
            send([case.message(copy)])
        except Exception:  # noqa: BLE001 (an error for the caller is always right)
            self.refused += 1
            return ""
        return copy

    def look(self, sent: dict[str, Case], send: Callable[[Any], object]) -> Iterator[Fault]:
        came = {mail.recipients[-1]: mail for mail in self.server.taken}
        self.server.taken.clear()
        for copy, case in sent.items():
            if copy not in came:
                yield case, f"accepted, and died: {last_reason()}"
                continue
            self.arrived += 1
            for what in forged(came[copy], self.without(case, send)):
                yield case, what

    def without(self, case: Case, send: Callable[[Any], object]) -> Taken:
        """Return what arrives of the message with a text in order in that place."""
        place = case.injection.place
        if (place, case.cls) not in self.innocent:
            copy = self.copy.format("innocent")
            send([case.message(copy, INNOCENT.get(place, "a"))])
            self.innocent[place, case.cls] = self.server.taken.pop()
        return self.innocent[place, case.cls]


def project(port: int) -> override_settings:
    queue = {"using": "smtp", "ledger": None, "retry": {"schedule": [1e6]}}
    smtp = {"host": "127.0.0.1", "port": port, "timeout": 10}
    return override_settings(
        MAILERS={
            "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": queue},
            "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp},
        }
    )


def last_reason() -> str:
    try:
        return [letter.reason for letter in peek(publisher(), queue="mailqueue")][-1]
    except IndexError:
        return "it is to be tried again"


def forged(mail: Taken, innocent: Taken) -> Iterator[str]:
    """Say what is in the mail that is not in one without an attack."""
    if EVIL in mail.recipients or len(mail.recipients) > len(innocent.recipients):
        yield "a recipient"
    for name, breaks in (("strict", STRICT), ("lenient", LENIENT)):
        found, expected = read(mail.content, breaks), read(innocent.content, breaks)
        if what := difference(found, expected):
            yield f"{name}: {what}"
            return


def difference(found: Part, expected: Part) -> str | None:
    ours, theirs = list(found.walk()), list(expected.walk())
    for part, model in zip(ours, theirs, strict=False):
        if more := part.names - (model.names | USUAL):
            return f"header {', '.join(more)}"
    if [len(part.parts) for part in ours] != [len(part.parts) for part in theirs]:
        return "parts"
    if {part.content.strip() for part in ours if not part.parts} - CONTENTS:
        return "content"
    return None


def told(faults: list[Fault]) -> str:
    """List each kind of fault with its shortest input."""
    kinds: dict[tuple[str, str], tuple[Case, int]] = {}
    for case, what in faults:
        key = case.injection.place, what.partition(":")[0]
        shortest, number = kinds.get(key, (case, 0))
        shorter = len(case.injection.text) < len(shortest.injection.text)
        kinds[key] = (case if shorter else shortest, number + 1)
    lines = [
        f"{place} | {what} | {number} times | {case.cls} {case.injection.text!r}"
        for (place, what), (case, number) in sorted(kinds.items())
    ]
    return "\n".join([f"{len(faults)} faults:", *lines])
