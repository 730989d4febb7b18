"""The clock of the database, so that workers' clocks need not agree."""

from typing import Any

from django.conf import settings
from django.db import connections
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


def limit_statements(alias: str, seconds: float) -> None:
    """Let a database end what this thread asks it for longer than that.

    PostgreSQL and MariaDB end it; MySQL ends what reads, SQLite has a timeout of its own for locks.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        statement = f"SET statement_timeout = {int(seconds * 1000)}"
    elif connection.vendor == "mysql" and connection.mysql_is_mariadb:  # type: ignore[attr-defined]
        statement = f"SET max_statement_time = {seconds:.0f}"
    elif connection.vendor == "mysql":
        statement = f"SET max_execution_time = {int(seconds * 1000)}"
    else:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement)
