"""SQLite with a clock of its own and faults at each statement and commit."""

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.db.backends.sqlite3 import base


def now() -> float:
    """Return the seconds since 1970; the world puts its own clock in this place."""
    return 0.0


def asked(connection: Any, moment: str, sql: str) -> None:
    """Be before or after a statement or commit; the world puts what happens there in this place."""


def strftime(form: str, when: str, change: str | None = "0 seconds") -> str | None:
    """Be SQLite's STRFTIME, as far as the ledger uses it: the time now, and so many seconds on."""
    if change is None:
        return None
    seconds = float(change.removesuffix(" seconds"))
    moment = datetime.fromtimestamp(round(now() + seconds, 3), UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that asks before and after each statement."""

    wrapper: Any = None

    def close(self) -> None:
        """Be closed, also on a connection that is gone, as with other databases."""
        with suppress(sqlite3.ProgrammingError):
            super().close()

    def execute(self, query: str, params: Any = None) -> Any:
        asked(self.wrapper, "before", query)
        result = super().execute(query, params)
        asked(self.wrapper, "after", query)
        return result

    def executemany(self, query: str, param_list: Any) -> Any:
        asked(self.wrapper, "before", query)
        result = super().executemany(query, param_list)
        asked(self.wrapper, "after", query)
        return result


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with that clock and these cursors."""

    def is_in_memory_db(self) -> bool:
        """Be closed when asked to, as other databases are; all connections share the memory."""
        return False

    def get_new_connection(self, conn_params: Any) -> Any:
        asked(self, "before", "CONNECT")
        connection = super().get_new_connection(conn_params)
        connection.create_function("strftime", -1, strftime, deterministic=True)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.wrapper = self
        return cursor

    def is_usable(self) -> bool:
        """Ask, as with other databases; Django takes SQLite for usable always."""
        try:
            self.connection.execute("SELECT 1")
        except sqlite3.Error:
            return False
        return True

    def _commit(self) -> None:
        asked(self, "before", "COMMIT")
        super()._commit()
        asked(self, "after", "COMMIT")
