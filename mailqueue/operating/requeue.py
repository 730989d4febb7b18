"""Queue dead letters anew, as if they were never tried; none is lost if that is interrupted."""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterator

from django.db import transaction

from mailqueue.broker.dead import DeadLetter
from mailqueue.lanes import Lane, lane_of, lanes
from mailqueue.ledger.about import about
from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.wanted import Wanted
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.operating.letters import letters, opened
from mailqueue.wire.envelope import Envelope, fresh

BATCH = 500  # rows of the ledger that are changed at once

Done = defaultdict[str, set[str]]  # by the id of a mail the recipients to whom it is queued anew


def requeue(wanted: Wanted | None = None) -> Iterator[int]:
    """Queue dead letters anew; yield how many at a time, as they are queued.

    Those that are `wanted` and that this process can open; for None those alone which no worker
    could open, after a key was mended. May be interrupted and begun again. Raises `PublishError`,
    what the database raises, and RuntimeError for a dead letter of the broker that is to become a
    row inside of a transaction: the broker would forget it, and the row might be rolled back.
    """
    done: Done = defaultdict(set)  # what is no better now may be dead again before this ends
    for message, letter in letters():
        if is_asked_for(letter, wanted) and again(letter, done):
            message.ack()
            yield 1
    if wanted is not None and is_installed():
        for lane in lanes().values():
            if wanted.mailer in (None, lane.mailer):
                yield from requeue_kept(lane, wanted)


def left_behind(wanted: Wanted) -> list[str]:
    """Return the mailers of dead letters in the table that no mailer here can queue anew."""
    if not is_installed():
        return []
    from mailqueue.ledger.looking import mailers_of  # a model, so not before the apps

    return sorted(mailers_of(dataclasses.replace(wanted, state="dead")) - lanes().keys())


def is_asked_for(letter: DeadLetter, wanted: Wanted | None) -> bool:
    if wanted is None:
        return letter.reason.startswith("undecodable")
    return wanted.has_letter(id=letter.id, mailer=letter.mailer, code=letter.code)


def again(letter: DeadLetter, done: Done) -> bool:
    """Queue a dead letter of the broker anew; False if it cannot be opened, or is done already."""
    mails = opened(letter)
    told = [(mail.id, set(about(mail).recipients)) for mail in mails]
    if any(recipients <= done[name] for name, recipients in told):
        return False
    try:
        found = [renewed(mail) for mail in mails]
    except InvalidMailer:
        return False
    if any(lane.ledger and lane.ledger.known([envelope.id]) for lane, envelope in found):
        return False  # the ledger has it, and knows what became of it
    for lane, envelope in found:
        if lane.ledger is None:
            lane.publish([lane.pack(envelope)])
        else:
            with transaction.atomic(using=lane.ledger.database, durable=True):
                lane.ledger.record([(envelope, lane.pack(envelope))])
            lane.ring()
    for name, recipients in told:
        done[name] |= recipients
    return bool(found)


def renewed(mail: Envelope) -> tuple[Lane, Envelope]:
    """Return a mail as if it was never tried, and its lane; raises `InvalidMailer`.

    Recipients of one mail may have died at different times. The table has one row for each id.
    """
    lane, envelope = lane_of(mail.mailer), fresh(mail, now=time.time())
    if lane.ledger is None or envelope.recipients is None:
        return lane, envelope
    from mailqueue.ledger.transitions import parted  # models, so not before the apps

    return lane, parted(envelope)


def requeue_kept(lane: Lane, wanted: Wanted) -> Iterator[int]:
    """Queue the dead letters of a lane anew that the ledger keeps, and ring for them."""
    from mailqueue.ledger.looking import batches  # a model, so not before the apps

    ledger = lane.kept()
    for ids in batches(dataclasses.replace(wanted, mailer=lane.mailer, state="dead"), BATCH):
        yield ledger.requeue(ids)
        lane.ring(unless_some=True)
