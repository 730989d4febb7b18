"""Delete dead letters for good."""

import dataclasses
from collections.abc import Iterator

from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.wanted import Wanted
from mailqueue.operating.letters import letters

BATCH = 500  # rows of the ledger that are deleted at once


def discard(wanted: Wanted) -> Iterator[int]:
    """Delete the dead letters that are wanted; yield how many at a time, as they are deleted.

    Raises `PublishError`, and what the database raises.
    """
    for message, letter in letters():
        if wanted.has_letter(id=letter.id, mailer=letter.mailer, code=letter.code):
            message.ack()
            yield 1
    if is_installed():
        yield from discard_kept(wanted)


def discard_kept(wanted: Wanted) -> Iterator[int]:
    from mailqueue.ledger.looking import batches  # models, so not before the apps
    from mailqueue.ledger.removing import remove

    for ids in batches(dataclasses.replace(wanted, state="dead"), BATCH):
        yield remove(ids, state="dead")
