"""The whole story of a mail: where it is, whom it goes to, and what each attempt came to."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from mailqueue.ledger.about import About, about, mailbox, read
from mailqueue.ledger.selection import is_installed
from mailqueue.operating.letters import letters, opened
from mailqueue.operating.listing import of_letter
from mailqueue.wire.signature import worker_keys


def stories(name: str, *, limit: int) -> Iterator[dict[str, Any]]:
    """Yield what is known of the mails with this id, Message-ID or recipient, the newest first.

    As `listing` has them, with ``message_id``, ``subject``, ``recipients`` (None where they are
    not kept, or cannot be read here) and ``history``. Of the broker's dead letters only the last
    attempt is known; they come last. Raises what `listing` raises.
    """
    yield from itertools.islice(itertools.chain(of_table(name, limit), of_broker(name)), limit)


def of_table(name: str, limit: int) -> Iterator[dict[str, Any]]:
    if not is_installed():
        return
    from mailqueue.ledger.looking import FACTS, history, named  # models, so not before the apps

    keys = worker_keys()
    rows = named(name, keys).order_by("-queued_at", "pk")
    found = list(rows.values(*FACTS, "message_id", "about")[:limit])
    attempts = defaultdict(list)
    for attempt in history([each["id"] for each in found]):
        attempts[attempt.pop("entry_id")].append(attempt)
    for each in found:
        told = read(each.pop("about"), keys)
        yield each | as_data(told) | {"history": attempts[each["id"]], "kept": "database"}


def of_broker(name: str) -> Iterator[dict[str, Any]]:
    for _, letter in letters():
        told = [about(envelope) for envelope in opened(letter)]
        addresses = {mailbox(each) for one in told for each in one.recipients}
        names = {letter.id, letter.message_id, letter.message_id.strip("<>")}
        if name.strip() in names - {""} or mailbox(name) in addresses:
            known = as_data(told[0] if len(told) == 1 else None)
            yield of_letter(letter) | {"message_id": letter.message_id, **known, "history": []}


def as_data(told: About | None) -> dict[str, Any]:
    return {
        "subject": told and told.subject,
        "recipients": None if told is None else list(told.recipients),
    }
