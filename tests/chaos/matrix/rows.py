"""The rows of the matrix: what goes wrong, and which second copies it may cause."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from tests.chaos.matrix.strikes import (
    DOT,
    PROCESSES,
    SENDER_BROKER,
    SENDER_DATABASE,
    TAKEN,
    WORKER_BROKER,
    WORKER_DATABASE,
    WORKER_RELAY,
    Strike,
    acknowledged,
    always,
    cutting,
    end_workers,
    fill_broker,
    flush_broker,
    kill_broker,
    kill_children,
    kill_database,
    kill_sender,
    kill_workers,
    lasting,
    refuse_for_now,
    refuse_some,
    stop_a_worker,
    task,
)
from tests.chaos.matrix.systems import BARE, LEDGER
from tests.proxy import BlackHole, Drip, Fault, OneWay, Refuse, Stall

WRONG = 60.0  # seconds by which a clock is


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A fault.

    - ``strike``: lets it happen, and ends it.
    - ``windows``: by level, the windows of guarantees.md that it may open.
    - ``ledger_only``: the broker alone has no such part.
    - ``redis_only``: so has RabbitMQ not.
    - ``own_broker``: it cannot be shared.
    - ``clock``: seconds by which that of the first worker is ahead.
    - ``late``: seconds by which mail may be later than beside other faults.
    - ``loses``: by column, which sentence of guarantees.md says that mail may be lost here.
    """

    link: str
    fault: str
    strike: Strike
    windows: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    ledger_only: bool = False
    redis_only: bool = False
    own_broker: bool = False
    clock: float = 0.0
    late: float = 0.0
    loses: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.link}: {self.fault}"


SMTP_LOST = {BARE: ("B1",), LEDGER: ("W1",)}
KILLED = {BARE: ("B2",), LEDGER: ("W2",)}
GIVEN_AWAY = {BARE: ("B3",)}
PUBLISHED_AGAIN = {BARE: ("B6",)}
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
    *link_rows(WORKER_RELAY, windows=SMTP_LOST),
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
        windows={BARE: ("B4",), LEDGER: ("W3",)},
    ),
    Row(link=PROCESSES, fault="who sends is killed", strike=kill_sender),
    Row(
        link=PROCESSES,
        fault="the broker is killed",
        strike=kill_broker,
        windows={BARE: ("B3", "B6")},
        own_broker=True,
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
        fault="the broker is full",
        strike=fill_broker,
        windows={BARE: ("B3", "B6")},
        own_broker=True,
    ),
    Row(
        link=PROCESSES,
        fault="a worker's clock is a minute ahead",
        strike=refuse_for_now,
        clock=WRONG,
        late=WRONG,
    ),
    Row(
        link=PROCESSES,
        fault="a worker's clock is a minute behind",
        strike=refuse_for_now,
        clock=-WRONG,
        late=WRONG,
    ),
    Row(
        link=PROCESSES,
        fault="the database is killed",
        strike=kill_database,
        ledger_only=True,
    ),
)  # fmt: skip
