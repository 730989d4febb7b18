"""A worker's connections to the ledger's database, kept open as long as `CONN_MAX_AGE` says.

Celery closes all that a thread has before and after each task, whatever that setting says. A new
one costs more than to claim a mail and to note that it was sent.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, router

from mailqueue.ledger.selection import is_installed

# By alias, those of this process that nobody is using. Any thread may have them next.
_kept: defaultdict[str, list[Any]] = defaultdict(list)


@contextmanager
def kept_connection() -> Iterator[None]:
    """Lend this thread a connection to the ledger's database; one that it has open stays."""
    if not is_installed():
        yield
        return
    from mailqueue.ledger.models import Entry

    alias = router.db_for_write(Entry)
    own = connections[alias]
    if own.connection is not None:
        yield
        return
    try:
        kept = _kept[alias].pop()
        kept.close_if_unusable_or_obsolete()  # it may have been idle for hours
    except IndexError:
        kept = connections.create_connection(alias)
        kept.inc_thread_sharing()
    connections[alias] = kept
    try:
        yield
    finally:
        connections[alias] = own
        kept.close_if_unusable_or_obsolete()
        _kept[alias].append(kept)


def close_kept() -> None:
    """Close all that nobody is using."""
    for kept in _kept.values():
        while kept:
            kept.pop().close()
