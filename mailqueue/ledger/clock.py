"""The clock of the database, so that workers' clocks need not agree."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Expression, FloatField, Func, Value

TEMPLATES = {
    "postgresql": "(STATEMENT_TIMESTAMP() + make_interval(secs => ({seconds})::float8))",
    "mysql": "({now} + INTERVAL ({seconds}) SECOND)",
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'now', ({seconds}) || ' seconds'{zone})",
}


def clock(connection: BaseDatabaseWrapper, seconds: str) -> str:
    """Return SQL for the database's time, so many seconds from now: an expression, or "%s"."""
    return TEMPLATES[connection.vendor].format(
        seconds=seconds,
        now="UTC_TIMESTAMP(6)" if settings.USE_TZ else "NOW(6)",
        zone="" if settings.USE_TZ else ", 'localtime'",
    )


class Clock(Func):
    """The database's time, so many seconds from now.

    Not Django's ``Now``: on MySQL that is local to the session, while Django stores UTC.
    """

    arity = 1

    def __init__(self, seconds: float | Expression = 0.0, **extra: Any) -> None:
        if isinstance(seconds, int | float):
            seconds = Value(float(seconds), output_field=FloatField())
        super().__init__(seconds, output_field=DateTimeField(), **extra)

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        template = clock(connection, "%(expressions)s").replace("%%", "%%%%")
        return super().as_sql(compiler, connection, template=template, **extra)


@contextmanager
def limited(alias: str, seconds: float) -> Iterator[None]:
    """Let a database end what is asked inside for longer than that, where it can.

    PostgreSQL does for this transaction alone, so that nothing is left on a connection which others
    share; MariaDB and MySQL (what reads) for the connection. SQLite has a timeout for locks.
    """
    connection = connections[alias]
    statements = {
        "postgresql": f"SET LOCAL statement_timeout = {int(seconds * 1000)}",
        "mysql": f"SET max_execution_time = {int(seconds * 1000)}",
        "mariadb": f"SET max_statement_time = {seconds:.0f}",
    }
    kind = "mariadb" if getattr(connection, "mysql_is_mariadb", False) else connection.vendor
    with transaction.atomic(using=alias) if kind == "postgresql" else nullcontext():
        if kind in statements:
            with connection.cursor() as cursor:
                cursor.execute(statements[kind])
        yield


def unpooled(alias: str) -> BaseDatabaseWrapper:
    """Return a connection of one's own that comes from no pool, where the project has one.

    A child that is forked would close the sockets of its parent's pool.
    """
    connection = connections.create_connection(alias)
    options = connection.settings_dict["OPTIONS"]
    unpooled = {name: options[name] for name in options if name != "pool"}
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": unpooled}
    return connection


def leave_pool(alias: str) -> None:
    """Give this thread a connection that comes from no pool, where the project has one."""
    if connections[alias].settings_dict["OPTIONS"].get("pool"):
        connections[alias] = unpooled(alias)
