"""A part of the fault matrix, which `make chaos` tries whole: one telling cell of each column."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from mailqueue.wire.envelope import Envelope, pack
from mailqueue.wire.signature import Keys
from tests.canaries import ENCRYPTION_KEY, SIGNING_KEY, SUBJECT
from tests.chaos.matrix import oracle, strikes
from tests.chaos.matrix.columns import COLUMNS, Servers
from tests.chaos.matrix.excuses import Event, Note, Traces, waits
from tests.chaos.matrix.mails import addresses, fingerprint
from tests.chaos.matrix.oracle import Evidence
from tests.chaos.matrix.relay import Copy
from tests.chaos.matrix.rows import ROWS
from tests.chaos.matrix.runs import Runs, Which
from tests.chaos.matrix.systems import BARE, LEDGER, mailqueue
from tests.letters import Letter
from tests.proxy import Stall, proxy
from tests.waiting import until

FAULTS = {
    "bare-redis": (strikes.WORKER_RELAY, "cut before the final answer"),
    "bare-rabbitmq": (strikes.WORKER_BROKER, "cut at the hand-over"),
    "ledger-redis": (strikes.PROCESSES, "workers are killed"),
    "ledger-rabbitmq": (strikes.WORKER_DATABASE, "cut behind a commit"),
}
CELLS = [
    Which(row, column, mailqueue(COLUMNS[column][0]))
    for column, fault in FAULTS.items()
    for row in ROWS
    if (row.link, row.fault) == fault
]


NUMBER = 30  # with three recipients, one of them Bcc
GOOD = Copy(
    place=1,
    at=100.0,
    worker="worker0",
    number=NUMBER,
    message_id="<1@x>",
    recipients=tuple(addresses(NUMBER)),
    fingerprint=fingerprint(NUMBER),
    names_bcc=False,
)
LETTER = Letter(
    mail=NUMBER, recipient=2, kind="permanent", stage="rcpt", code=550, reason="no such user",
    attempts=1, died_at=1.0,
)  # fmt: skip


def evidence(*copies: Copy, **other: Any) -> Evidence:
    fields: dict[str, Any] = {"told": {NUMBER: "accepted"}, "letters": [], "refused": set()}
    fields |= {"doubt": False, "left": 0, "slowest": 0.0, "others": [], "public": {}}
    return Evidence(copies=copies, **fields | other)


def test_the_oracle_is_content_with_what_is_right() -> None:
    first_two = replace(GOOD, recipients=GOOD.recipients[:2])
    refused = evidence(first_two, letters=[LETTER], refused={(NUMBER, 2)})
    for each in (evidence(GOOD), refused):
        assert not oracle.lost(each)
        assert not oracle.second_copies(each)
        assert [*oracle.faults(each)] == []


def test_the_oracle_counts_for_each_recipient() -> None:
    first = replace(GOOD, recipients=GOOD.recipients[:1])
    assert oracle.lost(evidence(first)) == [(NUMBER, 1), (NUMBER, 2)]
    assert oracle.second_copies(evidence(GOOD, first)) == {(NUMBER, 0): 1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (evidence(GOOD, told={NUMBER: "rolled back"}), "rolled back"),
        (evidence(GOOD, told={}), "stranger"),
        (evidence(replace(GOOD, recipients=("r0.m7@example.test",))), "stranger"),
        (evidence(replace(GOOD, fingerprint="x")), "changed"),
        (evidence(replace(GOOD, names_bcc=True)), "Bcc"),
        (evidence(GOOD, replace(GOOD, message_id="<2@x>")), "2 Message-IDs"),
        (evidence(GOOD, left=1), "are left"),
        (evidence(GOOD, slowest=60.0), "had to wait"),
        (evidence(GOOD, public={"a log": f"x {SUBJECT} y"}), "a log shows"),
        (evidence(GOOD, letters=[LETTER]), "never did"),
        (evidence(GOOD, letters=[replace(LETTER, kind="ambiguous")]), "nothing hid"),
        (evidence(GOOD, letters=[replace(LETTER, kind="transient")]), "of what passes"),
        (evidence(GOOD, letters=[replace(LETTER, kind="")]), "does not say why"),
        (evidence(GOOD, letters=[replace(LETTER, attempts=0)]), "after how many attempts"),
        (evidence(GOOD, letters=[replace(LETTER, died_at=0.0)]), "does not say when"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_the_oracle_sees_what_is_wrong(wrong: Evidence, said: str) -> None:
    assert any(said in fault for fault in oracle.faults(wrong))


AGAIN = replace(GOOD, place=2, at=102.0)
KILLED = Event("killed", "worker0", 101.0, 101.0)
STOPPED = Event("stopped", "worker0", 100.5, 120.0)
WAITED = {1: 0.1, 2: 0.1}
DOUBT = Note(GOOD.message_id, "ambiguous", "")
SENT = Note(GOOD.message_id, "sent", "1")
KEYS = Keys([SIGNING_KEY], [ENCRYPTION_KEY])
ENVELOPE = pack(
    Envelope(id="1", mailer="default", queued_at=1.0, message={"to": list(GOOD.recipients)}), KEYS
)
TWICE = {ENVELOPE: [99.0, 101.5]}


@pytest.mark.parametrize(
    ("level", "left", "window"),
    [
        (LEDGER, {}, ""),
        (LEDGER, {"waited": {2: 0.1}, "notes": [DOUBT]}, "W1"),
        (LEDGER, {"waited": {1: 4.0}, "notes": [DOUBT]}, "W1"),
        (LEDGER, {"waited": {2: 0.1}}, ""),
        (LEDGER, {"events": [KILLED]}, "W2"),
        (LEDGER, {"events": [KILLED], "notes": [SENT]}, ""),
        (LEDGER, {"events": [KILLED._replace(worker="worker1")]}, ""),
        (LEDGER, {"events": [KILLED._replace(begin=103.0, end=103.0)]}, ""),
        (LEDGER, {"events": [STOPPED]}, "W3"),
        (BARE, {}, ""),
        (BARE, {"waited": {2: 0.1}}, "B1"),
        (BARE, {"events": [KILLED]}, ""),
        (BARE, {"given": TWICE, "events": [KILLED]}, "B2"),
        (BARE, {"given": TWICE}, "B3"),
        (BARE, {"given": TWICE, "visible_again": 2.6}, "B3"),
        (BARE, {"given": TWICE, "visible_again": 2.5}, "B4"),
        (BARE, {"given": {ENVELOPE: [99.0, 103.0]}}, ""),
        (BARE, {"given": TWICE, "published": {ENVELOPE: [98.0, 98.5]}}, "B6"),
    ],
)
def test_a_second_copy_is_explained_by_what_happened_to_its_mail(
    level: str, left: dict[str, Any], window: str
) -> None:
    traces = Traces(level=level, copies=[GOOD, AGAIN], **{"waited": WAITED} | left)
    allowed = ["B1", "B2", "B6", "B4", "B3", "W1", "W2", "W3"]
    assert {*traces.windows(allowed)} == {((NUMBER, who), window) for who in range(3)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with ExitStack() as stack:
        runs = Runs(Servers(tmp_path_factory.mktemp("matrix"), stack), CELLS)
        stack.callback(runs.close)
        yield runs


@pytest.mark.parametrize("which", CELLS, ids=str)
def test_no_mail_is_lost_and_what_comes_twice_has_its_window(runs: Runs, which: Which) -> None:
    result = runs.result(which)
    assert (result.lost, result.faults) == (0, ())
    assert result.unexplained == ()


def test_who_is_held_back_waits_from_the_last_word_on() -> None:
    """The worker may have given up when the relay gets the mail, and answers at once."""
    with (
        socket.create_server(("127.0.0.1", 0)) as relay,
        proxy(relay.getsockname()[1], keeps=True) as way,
        socket.create_connection(("127.0.0.1", way.port)) as worker,
        relay.accept()[0] as client,
    ):
        way.become(Stall())
        worker.sendall(b".\r\n")
        until(lambda: any(flow.said for flow in way.flows))
        held_since = time.monotonic()
        way.heal()
        healed = time.monotonic()
        assert client.recv(100) == b".\r\n"
        client.sendall(b"250 2.0.0 Ok: queued as 7\r\n")
        assert worker.recv(100)
        until(lambda: 7 in waits(way.flows))
        assert waits(way.flows)[7] > healed - held_since
