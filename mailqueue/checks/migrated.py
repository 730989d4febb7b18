"""The check of the ledger's table; it asks the database, so it runs with Django's own such checks.

These are ``manage.py check --database default`` and ``migrate``, which must go on: a warning.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections

from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.table import table_database, unapplied


def check_table(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Find a ledger whose table lacks a migration."""
    if not is_installed() or (alias := table_database()) not in (databases or ()):
        return []
    if not (missing := ", ".join(unapplied(connections[alias]))):
        return []
    return [
        CheckWarning(
            f"DATABASES[{alias!r}]: the tables of the ledger lack the migration {missing}.",
            hint=f"Run 'manage.py migrate --database {alias}'.",
            id="mailqueue.W009",
        )
    ]
