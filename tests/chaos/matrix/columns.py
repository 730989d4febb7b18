"""The columns of the matrix: level and broker; and what of servers a cell gets."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.matrix.cell import Cell
from tests.chaos.matrix.rows import Row
from tests.chaos.matrix.servers import (
    Broker,
    Postgres,
    RabbitServer,
    postgres,
    rabbit_server,
    redis_server,
)
from tests.chaos.matrix.strikes import kill_database
from tests.chaos.matrix.systems import BARE, LEDGER, System

COLUMNS = {
    "bare-redis": (BARE, "redis"),
    "bare-rabbitmq": (BARE, "rabbitmq"),
    "ledger-redis": (LEDGER, "redis"),
    "ledger-rabbitmq": (LEDGER, "rabbitmq"),
}


def applies(row: Row, column: str) -> bool:
    """Tell whether there is such a cell."""
    level, broker = COLUMNS[column]
    return not (row.ledger_only and level == BARE) and not (row.redis_only and broker != "redis")


class Servers:
    """The servers that cells share, started when one asks; each cell may be in a thread."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.lock = threading.Lock()
        self.number = 0
        self._rabbitmq: RabbitServer | None = None
        self._postgres: Postgres | None = None

    def new_folder(self) -> Path:
        with self.lock:
            self.number += 1
            folder = self.folder / str(self.number)
        folder.mkdir()
        return folder

    def rabbitmq(self) -> RabbitServer:
        folder = self.new_folder()
        with self.lock:
            self._rabbitmq = self._rabbitmq or self.stack.enter_context(rabbit_server(folder))
            return self._rabbitmq

    def postgres(self) -> Postgres:
        with self.lock:
            self._postgres = self._postgres or self.stack.enter_context(postgres())
            return self._postgres

    @contextmanager
    def cell(self, row: Row, column: str, system: System) -> Iterator[Cell]:
        """Make a cell: Redis is its own, and so is what the row kills."""
        level, kind = COLUMNS[column]
        with ExitStack() as own:
            broker: Broker
            if kind == "redis":
                broker = own.enter_context(redis_server(self.new_folder()))
            elif row.own_broker:
                broker = own.enter_context(rabbit_server(self.new_folder()))
            else:
                broker = self.rabbitmq()
            database = None
            if level == LEDGER:
                kills = row.strike is kill_database
                database = own.enter_context(postgres()) if kills else self.postgres()
            yield Cell(system, self.new_folder(), broker, database)
