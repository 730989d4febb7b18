"""What waits until the caller's transactions have committed."""

from collections.abc import Callable, Sequence

from django.db import connections, transaction


def open_blocks(only: str | None = None) -> list[str]:
    """Return the databases on which this thread is inside of `transaction.atomic`.

    ``only`` names the one database that is asked for.
    """
    asked = connections.all(initialized_only=True) if only is None else [connections[only]]
    return [each.alias for each in asked if each.in_atomic_block]


def when_committed(action: Callable[[], None], blocks: Sequence[str]) -> None:
    """Do it when all of these blocks have committed; never, if one of them rolls back.

    Without a block it is done now, and what it raises is raised. What it raises after a commit is
    logged by Django and stops no other callback of the project.
    """
    if not blocks:
        action()
    waits_for = len(blocks)

    def committed() -> None:
        nonlocal waits_for
        waits_for -= 1
        if not waits_for:
            action()

    for alias in blocks:
        transaction.on_commit(committed, using=alias, robust=True)


def is_broken(alias: str) -> bool:
    """Tell whether the block that is open on a database can only be rolled back."""
    connection = connections[alias]
    return connection.in_atomic_block and connection.needs_rollback
