"""Whether the table is as this version needs it."""

from typing import Any

from django.db import Error, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from mailqueue.ledger.clock import unpooled


def table_database() -> str:
    """Return the alias of the database that has the table."""
    from mailqueue.ledger.models import Entry  # not before the apps

    return router.db_for_write(Entry)


def unapplied(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of our migrations that the database lacks; raises what it raises."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes("mailqueue_ledger")
    plan: list[tuple[Any, bool]] = executor.migration_plan(leaves)
    return [migration.name for migration, _ in plan if migration.app_label == "mailqueue_ledger"]


def table_fault() -> str:
    """Say which migrations are missing; "" if none is, or if the database cannot be asked now.

    It leaves no connection behind, so that a process may fork afterwards.
    """
    alias = table_database()
    connection = unpooled(alias)
    try:
        names = unapplied(connection)
    except Error:
        return ""
    finally:
        connection.close()
    missing = ", ".join(names)
    return missing and (
        f"the table of the ledger in DATABASES[{alias!r}] lacks the migration {missing};"
        " run 'manage.py migrate'"
    )
