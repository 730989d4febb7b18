"""The rows of the matrix: what goes wrong, and which second copies it may cause."""

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import psutil

from tests.chaos.matrix.systems import BARE, LEDGER
from tests.proxy import BlackHole, CutOn, Drip, Fault, OneWay, Refuse, Stall
from tests.waiting import until

if TYPE_CHECKING:
    from tests.chaos.matrix.cell import Cell

SENDER_BROKER, WORKER_BROKER = "sender to broker", "worker to broker"
SENDER_DATABASE, WORKER_DATABASE = "sender to database", "worker to database"
WORKER_RELAY = "worker to mail server"
PROCESSES = "processes"
DATABASES = (SENDER_DATABASE, WORKER_DATABASE)

LASTS = 4.0  # seconds
BATCH = 10  # mails in the hands of a worker
# What RabbitMQ's clients say to acknowledge: class 60, method 80.
AMQP_ACK = b"\x00\x3c\x00\x50"
REDIS_ACK = b"ZREM"
TAKEN = b"250 2.0.0 Ok"
DOT = b"\r\n.\r\n"

Strike = Callable[["Cell"], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A fault.

    - ``strike``: lets it happen, and ends it.
    - ``windows``: by level, the window of guarantees.md that it opens, and the most second copies.
    - ``ledger_only``: the broker alone has no such part.
    - ``redis_only``: so has RabbitMQ not.
    - ``kills_broker``: it cannot be shared.
    - ``loses``: by column, which sentence of guarantees.md says that mail may be lost here.
    """

    link: str
    fault: str
    strike: Strike
    windows: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    ledger_only: bool = False
    redis_only: bool = False
    kills_broker: bool = False
    loses: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.link}: {self.fault}"


# Faults of a link.


def lasting(link: str, fault: Callable[[], Fault], seconds: float = LASTS) -> Strike:
    def strike(cell: "Cell") -> None:
        way = cell.ways[link]
        end = time.monotonic() + seconds
        way.become(fault())
        if link == WORKER_RELAY:
            cell.ping()  # whose tasks have no part in it
        time.sleep(max(0.0, end - time.monotonic()))  # so long it lasts
        way.heal()

    return strike


def cutting(link: str, pattern: Callable[["Cell"], bytes], **how: bool) -> Strike:
    """Cut three connections, one after the other, when something passes by.

    With the ledger who sends leaves a broker alone for a while that it could not ring at.
    """

    def strike(cell: "Cell") -> None:
        way = cell.ways[link]
        once = cell.database and link == SENDER_BROKER
        way.become(CutOn(pattern(cell), times=1 if once else 3, **how))
        cell.must_happen(way.acted)
        way.heal()

    return strike


def task(cell: "Cell") -> bytes:
    return cell.system.task.encode()


def acknowledged(cell: "Cell") -> bytes:
    return REDIS_ACK if cell.on_redis else AMQP_ACK


def always(pattern: bytes) -> Callable[["Cell"], bytes]:
    return lambda cell: pattern


# Faults of processes.


def kill_workers(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        worker.kill()
        cell.project.again(worker)


def kill_children(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        for child in psutil.Process(worker.popen.pid).children():
            child.kill()


def end_workers(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        worker.kill("SIGTERM")
        worker.popen.wait(60)
        cell.project.again(worker)


def stop_a_worker(cell: "Cell") -> None:
    """Stop one for longer than its lease, and than Redis waits for it."""
    cell.busy()
    group = cell.project.workers[0].popen.pid
    os.killpg(group, signal.SIGSTOP)
    time.sleep(20)
    os.killpg(group, signal.SIGCONT)


def kill_sender(cell: "Cell") -> None:
    cell.project.senders[0].kill()


def kill_broker(cell: "Cell") -> None:
    cell.broker.kill()
    cell.broker.start()


def flush_broker(cell: "Cell") -> None:
    """Flush it while messages wait."""
    groups = [worker.popen.pid for worker in cell.project.workers]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    seen = cell.told_until()
    until(lambda: cell.told_until() > seen + 10)
    cell.broker.flush()
    for group in groups:
        os.killpg(group, signal.SIGCONT)


def kill_database(cell: "Cell") -> None:
    assert cell.database
    cell.database.kill()
    cell.database.start()


def refuse_some(cell: "Cell") -> None:
    """Refuse a recipient of mails to three for good, and one of others for now."""
    for number in range(cell.told_until() + 1, cell.mails):
        who = cell.addresses(number)
        if number % 15 == 0:
            cell.relay.answer("RCPT", "550 5.1.1 no such user", to=who[1], times=1000)
            cell.refused.add((number, 1))
        elif number % 5 == 0:
            cell.relay.answer("RCPT", "451 4.3.0 later", to=who[-1])


SMTP_LOST = {BARE: ("B1", 3), LEDGER: ("W1", 3)}
KILLED = {BARE: ("B2", 2 * BATCH), LEDGER: ("W2", 2 * BATCH)}
GIVEN_AWAY = {BARE: ("B3", 3 * 2 * BATCH)}
PUBLISHED_AGAIN = {BARE: ("B6", 3 * BATCH)}
GAP = {"bare-redis": "redis-and-valkey"}


def link_rows(link: str, **more: object) -> Iterator[Row]:
    """Yield what may go wrong on any link."""
    kinds: list[tuple[str, Callable[[], Fault]]] = [
        ("refused", Refuse),
        ("black hole", BlackHole),
        ("answers are lost", lambda: OneWay(client_is_heard=True)),
        ("questions are lost", lambda: OneWay(client_is_heard=False)),
        ("stalls after 500 bytes", lambda: Stall(500)),
        ("a byte a second", Drip),
    ]
    for fault, kind in kinds:
        yield Row(link=link, fault=fault, strike=lasting(link, kind), **more)  # type: ignore[arg-type]


ROWS = (
    Row(link="nothing", fault="all is well", strike=lambda cell: None),
    *link_rows(SENDER_BROKER, windows=PUBLISHED_AGAIN),
    Row(
        link=SENDER_BROKER,
        fault="cut before a message",
        strike=cutting(SENDER_BROKER, task),
    ),
    Row(
        link=SENDER_BROKER,
        fault="cut behind a message",
        strike=cutting(SENDER_BROKER, task, forward=True),
        windows=PUBLISHED_AGAIN,
    ),
    *link_rows(WORKER_BROKER, windows=GIVEN_AWAY, loses=GAP),
    Row(
        link=WORKER_BROKER,
        fault="cut at the hand-over",
        strike=cutting(WORKER_BROKER, task, from_client=False),
        windows=GIVEN_AWAY,
        loses=GAP,
    ),
    Row(
        link=WORKER_BROKER,
        fault="cut before an acknowledgement",
        strike=cutting(WORKER_BROKER, acknowledged),
        windows=GIVEN_AWAY,
        loses=GAP,
    ),
    Row(
        link=WORKER_BROKER,
        fault="cut behind an acknowledgement",
        strike=cutting(WORKER_BROKER, acknowledged, forward=True),
        windows=GIVEN_AWAY,
        loses=GAP,
    ),
    *link_rows(WORKER_RELAY, windows={BARE: ("B1", 6), LEDGER: ("W1", 6)}),
    Row(
        link=WORKER_RELAY,
        fault="cut before the final dot",
        strike=cutting(WORKER_RELAY, always(DOT)),
    ),
    Row(
        link=WORKER_RELAY,
        fault="cut before the final answer",
        strike=cutting(WORKER_RELAY, always(TAKEN), from_client=False),
        windows=SMTP_LOST,
    ),
    Row(link=WORKER_RELAY, fault="refuses some recipients", strike=refuse_some),
    *link_rows(WORKER_DATABASE, ledger_only=True),
    Row(
        link=WORKER_DATABASE,
        fault="cut behind a claim",
        strike=cutting(WORKER_DATABASE, always(b"SKIP LOCKED"), forward=True),
        ledger_only=True,
    ),
    Row(
        link=WORKER_DATABASE,
        fault="cut before a commit",
        strike=cutting(WORKER_DATABASE, always(b"COMMIT")),
        ledger_only=True,
    ),
    Row(
        link=WORKER_DATABASE,
        fault="cut behind a commit",
        strike=cutting(WORKER_DATABASE, always(b"COMMIT"), forward=True),
        ledger_only=True,
    ),
    *link_rows(SENDER_DATABASE, ledger_only=True),
    Row(
        link=SENDER_DATABASE,
        fault="cut behind a commit",
        strike=cutting(SENDER_DATABASE, always(b"COMMIT"), forward=True),
        ledger_only=True,
    ),
    Row(link=PROCESSES, fault="workers are killed", strike=kill_workers, windows=KILLED, loses=GAP),
    Row(link=PROCESSES, fault="their children are killed", strike=kill_children, windows=KILLED),
    Row(link=PROCESSES, fault="workers are ended (SIGTERM)", strike=end_workers),
    Row(
        link=PROCESSES,
        fault="a worker stands still for 20 s",
        strike=stop_a_worker,
        windows={BARE: ("B4", BATCH), LEDGER: ("W3", 2)},
    ),
    Row(link=PROCESSES, fault="who sends is killed", strike=kill_sender),
    Row(
        link=PROCESSES,
        fault="the broker is killed",
        strike=kill_broker,
        windows=GIVEN_AWAY,
        kills_broker=True,
        loses=GAP,
    ),
    Row(
        link=PROCESSES,
        fault="the broker is flushed",
        strike=flush_broker,
        windows=GIVEN_AWAY,
        redis_only=True,
        loses={"bare-redis": "what-the-ledger-adds"},
    ),
    Row(
        link=PROCESSES,
        fault="the database is killed",
        strike=kill_database,
        ledger_only=True,
    ),
)  # fmt: skip
