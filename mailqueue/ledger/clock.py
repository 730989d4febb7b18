"""The clock of the database, so that workers' clocks need not agree."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models import DateTimeField, Expression, FloatField, Func, Value

TEMPLATES = {
    "postgresql": "(STATEMENT_TIMESTAMP() + make_interval(secs => (%(expressions)s)::float8))",
    "mysql": "({now} + INTERVAL (%(expressions)s) SECOND)",
    "sqlite": (
        "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'now',"
        " (%(expressions)s) || ' seconds'{zone})"
    ),
}


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
        template = TEMPLATES[connection.vendor].format(
            now="UTC_TIMESTAMP(6)" if settings.USE_TZ else "NOW(6)",
            zone="" if settings.USE_TZ else ", 'localtime'",
        )
        return super().as_sql(compiler, connection, template=template, **extra)


@contextmanager
def limited(alias: str, seconds: float) -> Iterator[None]:
    """Let a database end what it is asked inside, statement by statement, after so many seconds.

    PostgreSQL and MariaDB end it; MySQL ends what reads, SQLite has a timeout of its own for locks.
    On PostgreSQL it is one transaction: a limit of the session would stay behind in a pool, or in
    PgBouncer, and end what others ask.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            yield
        return
    if connection.vendor == "mysql":
        maria = connection.mysql_is_mariadb  # type: ignore[attr-defined]
        limit = f"max_statement_time = {seconds:.0f}" if maria else ""
        with connection.cursor() as cursor:
            cursor.execute(f"SET {limit or f'max_execution_time = {int(seconds * 1000)}'}")
    yield


def leave_pool(alias: str) -> None:
    """Give this thread a connection that comes from no pool, where the project has one.

    A child that is forked would close the sockets of its parent's pool.
    """
    connection = connections.create_connection(alias)
    options = connection.settings_dict["OPTIONS"]
    if options.get("pool"):
        unpooled = {name: options[name] for name in options if name != "pool"}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": unpooled}
        connections[alias] = connection
