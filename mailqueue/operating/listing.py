"""The mails that the ledger keeps, and the dead letters on the broker, as facts.

No content and no address: these are for terminals and for programs that watch.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from mailqueue.broker.dead import DeadLetter
from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.wanted import Wanted
from mailqueue.operating.letters import letters


def listing(wanted: Wanted, *, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the facts of mails; ``kept`` says by whom. The broker's dead letters come last.

    Raises `InvalidMailer`, what the database raises, and `PublishError`.
    """
    yield from itertools.islice(itertools.chain(of_table(wanted, limit), of_broker(wanted)), limit)


def number(wanted: Wanted) -> int:
    """Return how many mails there are of those; raises what `listing` raises."""
    kept = 0
    if is_installed():
        from mailqueue.ledger.looking import rows  # a model, so not before the apps

        kept = rows(wanted).count()
    return kept + sum(1 for _ in of_broker(wanted))


def of_table(wanted: Wanted, limit: int) -> Iterator[dict[str, Any]]:
    if not is_installed():
        return
    from mailqueue.ledger.looking import facts  # a model, so not before the apps

    for found in facts(wanted, limit=limit):
        yield found | {"kept": "database"}


def of_broker(wanted: Wanted) -> Iterator[dict[str, Any]]:
    for _, letter in letters():
        if wanted.has_letter(id=letter.id, mailer=letter.mailer, code=letter.code):
            yield of_letter(letter)


def of_letter(letter: DeadLetter) -> dict[str, Any]:
    zone = UTC if settings.USE_TZ else None
    died = datetime.fromtimestamp(letter.died_at, zone) if letter.died_at else None
    said = {name: getattr(letter, name) for name in ("kind", "stage", "code", "enhanced", "reason")}
    return {
        "id": letter.id,
        "origin": letter.id,
        "mailer": letter.mailer,
        "state": "dead",
        "queued_at": None,
        "due_at": None,
        "finished_at": died,
        "attempts": letter.attempts,
        **said,
        "kept": "broker",
    }
