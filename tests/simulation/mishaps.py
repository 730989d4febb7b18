"""What goes wrong at the steps of processes."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connections

from tests.simulation.broker import Broker, refused
from tests.simulation.excuses import Excuses
from tests.simulation.plan import ALIAS, Fault
from tests.simulation.processes import Ended, Process
from tests.simulation.windows import Window

WRITING = {"INSERT", "UPDATE", "DELETE", "COMMIT"}


class Mishaps:
    """The faults of a run, and for how long the database is away."""

    def __init__(self, broker: Broker, excuses: Excuses, tell: Callable[[str], None]) -> None:
        self.broker, self.excuses, self.tell = broker, excuses, tell
        self.faults: list[Fault] = []
        self.away = 0.0, 0.0  # from and until when the database is
        self.happened: Counter[str] = Counter()

    def end(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.clear()
        self.away = 0.0, 0.0

    def at_step(self, process: Process, name: str) -> str:
        """Let happen what is to go wrong here; return what the step itself has to do."""
        for fault in [each for each in self.faults if each.step == name]:
            if fault.what == "child" and not process.is_child:
                continue
            if fault.what == "limit" and (process.limited or not process.has_limit):
                continue  # Celery tells a task once
            fault.nth -= 1
            if fault.nth:
                continue
            self.faults.remove(fault)
            self.happened[fault.what] += 1
            if fault.what in ("lose", "abort"):
                return fault.what
            if fault.what == "cut":
                self.tell(f"{process.name} loses its connection to the broker {name}")
                self.broker.lose(process, Window.CUT)
                continue
            self.tell(f"{process.name} {ENDS[fault.what]} {name}")
            self.excuses.doubt_all()
            if fault.what == "limit":
                process.limited = True
                process.interrupt(SoftTimeLimitExceeded())
                continue
            process.survived = fault.what == "child"
            if fault.what != "end":
                process.die()
            process.interrupt(Ended())
        return ""

    def mail_server(self, name: str) -> None:
        if process := Process.current():
            process.step(name)

    def publishing(self, name: str, body: bytes) -> None:
        process = Process.current()
        if process is None or process.step(name) != "lose":
            return
        self.tell(f"the broker is lost {name}")
        if name == "after publishing" and process.name.startswith("worker"):
            self.excuses.double(body, Window.PUBLISHED)
        raise refused()

    def database(self, connection: Any, moment: str, sql: str) -> None:
        """Be at a statement of a database."""
        process = Process.current()
        verb = sql.split(None, 1)[0].upper()
        if process is None or (moment == "after" and verb not in WRITING):
            return
        raw = connection.connection
        inside = raw is not None and is_open(raw) and raw.in_transaction
        with process.still() if inside else nullcontext():
            verdict = process.step(f"{moment} {verb}")
        begin, end = self.away
        if begin <= process.clock.now < end:
            verdict = "away"
        if not verdict:
            return
        if verdict != "away":
            self.tell(f"{process.name} {SAYS[verdict]} {moment} {verb}")
        self.excuses.last_error[process.name] = process.clock.now
        self.excuses.doubt_all()
        kind = OperationalError if verb == "COMMIT" else sqlite3.OperationalError
        if verdict == "abort":
            if inside:
                raw.rollback()  # a database that locks rows has chosen this one to go on without
            raise kind("deadlock detected")
        if raw is not None:
            raw.close()
        raise kind("the server closed the connection unexpectedly")


ENDS = {"kill": "is killed", "end": "is ended", "child": "is killed, and its parent is not,"}
ENDS |= {"limit": "comes to its time limit"}
SAYS = {"lose": "loses the database", "abort": "is the victim of a deadlock"}


def is_open(raw: sqlite3.Connection) -> bool:
    try:
        _ = raw.total_changes
    except sqlite3.ProgrammingError:
        return False
    return True


def close() -> None:
    """Close the connection of this thread, without a word."""
    raw = connections[ALIAS].connection
    if raw is not None:
        raw.close()
    connections[ALIAS].connection = None
