"""Erase what rows tell of an address."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db import router, transaction
from django.db.models import F

from mailqueue.errors import DecodeError
from mailqueue.ledger.about import About, about, mailbox, read, searched, written
from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import UNFINISHED, Entry, Recipient, State
from mailqueue.ledger.removing import remove
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import worker_keys

BATCH = 500  # mails that are looked at in one transaction
AT_ONCE = 20  # contents in memory


class Done(NamedTuple):
    """How many mails were erased, deleted as dead letters, left to be sent, and not opened."""

    erased: int = 0
    deleted: int = 0
    waiting: int = 0
    unread: int = 0


def forget_kept(address: str) -> Iterator[Done]:
    """Erase what rows tell of an address; yield to how many mails that was done, part by part.

    Of a mail to others, too, they and the subject stay, and its content goes. A dead letter goes
    whole.
    """
    for ids in batches(address):
        yield forget_rows(address, ids)
    for row in silent():
        try:
            told = about(unpack(row.payload, worker_keys()))
        except DecodeError:
            yield Done(unread=1)
            continue
        if mailbox(address) in map(mailbox, told.recipients):
            yield forget_rows(address, [row.pk])


def batches(address: str) -> Iterator[list[str]]:
    """Yield the ids of the mails that went to an address, some at a time."""
    digests = searched(address, worker_keys())
    first = entries().filter(recipient__in=digests).order_by("pk")
    beside = Recipient.objects.using(first.db).filter(digest__in=digests).order_by("entry_id")
    for found, name in ((first, "pk"), (beside, "entry_id")):
        last = ""
        while ids := list(
            found.filter(**{f"{name}__gt": last}).values_list(name, flat=True)[:BATCH]
        ):
            yield ids
            last = ids[-1]


def silent() -> Iterator[Entry]:
    """Yield the mails that tell nothing beside their content, a few in memory at a time."""
    found = entries().filter(about="").exclude(payload="").order_by("pk")
    last = ""
    while rows := list(found.filter(pk__gt=last)[:AT_ONCE]):
        yield from rows
        last = rows[-1].pk


def forget_rows(address: str, ids: Sequence[str]) -> Done:
    digests = searched(address, worker_keys())
    erased, waiting, dead = 0, 0, []
    with transaction.atomic(using=router.db_for_write(Entry)):
        chosen = entries().filter(pk__in=ids)
        # It locks them, and on SQLite the database, which lets nobody write who has read first.
        chosen.update(size=F("size"))
        for row in chosen.defer("payload"):
            if row.state in UNFINISHED:
                waiting += 1
            elif row.state == State.DEAD:
                dead.append(row.pk)
            else:
                changes = {"about": without(row, address), "payload": "", "size": 0}
                if row.recipient in digests:
                    changes["recipient"] = ""
                entries().filter(pk=row.pk).update(**changes)
                told = Recipient.objects.using(row._state.db)
                told.filter(entry_id=row.pk, digest__in=digests).delete()
                erased += 1
        return Done(erased, remove(dead, state=State.DEAD), waiting)


def without(row: Entry, address: str) -> str:
    """Return what a row tells without that address, sealed as it was."""
    keys = worker_keys()
    told = read(row.about, keys)
    if told is None:
        return ""
    others = tuple(each for each in told.recipients if mailbox(each) != mailbox(address))
    return written(About(told.subject, others), keys) if others else ""
