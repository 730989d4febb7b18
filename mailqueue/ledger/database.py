"""The database level: the mails are rows, written in the caller's transaction."""

import dataclasses
import time
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.db import Error, router, transaction
from django.db.models import F, Min, Q, QuerySet, Value
from django.db.models.functions import Least, Power
from django.utils.timezone import is_aware, make_aware

from mailqueue import signals
from mailqueue.errors import DecodeError
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.interface import Claim, Due, DurableLedger, asking, doom
from mailqueue.ledger.models import UNFINISHED, Entry, State
from mailqueue.ledger.taking import take
from mailqueue.ledger.transitions import after, apart, chunks, dead_entry, new_entry
from mailqueue.options import QueueOptions
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope, pack, unpack
from mailqueue.wire.reference import Reference
from mailqueue.wire.signature import Keys, worker_keys

# Seconds until what was published counts as lost by the broker. Doubled each time, since a long
# queue looks the same: GRACE * 2 ** MOST_DOUBLINGS is about an hour.
GRACE = 60.0
MOST_DOUBLINGS = 6

INSERT_SIZE = 4 * 2**20  # of payload in one INSERT; MariaDB takes 16 MiB unless told otherwise


away = asking(Error)


class DatabaseLedger(DurableLedger):
    """Keeps mails in the table; options and keys are of the mailer whose mails it is asked for."""

    def __init__(self, options: QueueOptions, keys: Keys) -> None:
        self.options = options
        self.keys = keys
        self.database = router.db_for_write(Entry)
        self.entries = Entry.objects.using(self.database)

    def record(self, envelopes: Sequence[tuple[Envelope, str]]) -> list[str]:
        now = time.time()
        entries = [new_entry(each, text, now=now, grace=GRACE) for each, text in envelopes]
        for chunk in chunks(entries, INSERT_SIZE):
            # Whoever inserted the same id before has kept it, and that is what is wanted.
            self.entries.bulk_create(chunk, ignore_conflicts=True, batch_size=100)
        return [entry.id for entry in entries if entry.state == State.QUEUED]

    def known(self, ids: Collection[str]) -> set[str]:
        return set(self.entries.filter(pk__in=ids).values_list("pk", flat=True))

    @away
    def claim(self, items: Sequence[Envelope | Reference]) -> list[Claim]:
        # Envelopes were queued before the ledger was switched on: from now on it keeps them.
        self.record([(item, pack(item, self.keys)) for item in items if isinstance(item, Envelope)])
        free = Q(state=State.QUEUED) | Q(state=State.SENDING, due_at__lte=Clock())
        rows = take(
            self.entries.filter(free, pk__in=[item.id for item in items]),
            limit=len(items),
            state=State.SENDING,
            due_at=Clock(self.options.lease),
            attempts=F("attempts") + 1,
            claims=F("claims") + 1,
            published=0,
        )
        return [claim for row in rows if (claim := self.read(row))]

    def read(self, row: Entry) -> Claim | None:
        """Return the claim of a row that was taken; one that cannot be read becomes dead."""
        try:
            envelope = unpack(row.payload, worker_keys())
            if envelope.id != row.pk:
                raise DecodeError("the payload belongs to another mail")
        except DecodeError as error:
            reason = f"undecodable: {type(error).__name__}"
            self.bury_unread(row, reason)
            return None
        most = self.options.retry.max_ambiguous
        return Claim(
            envelope=dataclasses.replace(
                envelope,
                attempts=row.attempts - 1,
                due_at=None,
                resent=0 < row.handed >= most,
            ),
            fence=row.fence,
            handed=row.handed,
            doomed=doom(claims=row.claims, handed=row.handed, most_handed=most),
        )

    @away
    def hand_over(self, claim: Claim) -> bool:
        still_mine = self.mine(claim).filter(due_at__gt=Clock())
        lease = Clock(self.options.lease)
        return bool(still_mine.update(due_at=lease, handed=F("handed") + 1))

    @away
    def finish(self, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
        changes = after(claim, settlement, now=time.time(), keep_sent=self.options.keep_sent)
        whole = changes["state"] == State.DEAD  # not only some of its recipients
        left = settlement.dead[0].envelope if whole else settlement.again
        if left is not None and len(left.recipients or ()) < len(settlement.outcomes):
            changes["payload"] = pack(left, self.keys)
        letters = [apart(dead) for dead in settlement.dead[whole:]]
        origin = claim.envelope.id
        rows = [dead_entry(dead, pack(dead.envelope, self.keys), origin) for dead in letters]
        with transaction.atomic(using=self.database) if rows else nullcontext():
            if not self.mine(claim).update(**changes):
                # Sent is sent, also when the lease had ended: whoever has it now need not.
                sent = changes["state"] == State.SENT
                if not sent or not self.unfinished([claim.envelope.id]).update(**changes):
                    return None
            if rows:
                self.entries.bulk_create(rows, ignore_conflicts=True)
        return (*settlement.dead[:whole], *letters)

    def bury_unread(self, row: Entry, reason: str) -> None:
        """Make a row dead whose payload is no envelope; the payload stays as it is."""
        changes: dict[str, Any] = {"state": State.DEAD, "due_at": None, "reason": reason}
        self.entries.filter(pk=row.pk, fence=row.fence).update(finished_at=Clock(), **changes)
        signals.tell_dead(mailer=row.mailer, id=row.pk, origin=row.origin or row.pk, reason=reason)

    def mine(self, claim: Claim) -> QuerySet[Entry]:
        return self.entries.filter(pk=claim.envelope.id, fence=claim.fence, state=State.SENDING)

    def unfinished(self, ids: Collection[str]) -> QuerySet[Entry]:
        return self.entries.filter(pk__in=ids, state__in=UNFINISHED)

    def due(self, mailers: Collection[str], *, limit: int) -> list[Due]:
        grace = Value(GRACE) * Power(Value(2.0), F("published"))
        rows = take(
            self.entries.filter(due_at__lte=Clock(), mailer__in=mailers),
            limit=limit,
            state=State.QUEUED,
            due_at=Clock(grace),
            published=Least(F("published") + 1, Value(MOST_DOUBLINGS)),
        )
        return [Due(id=row.pk, mailer=row.mailer, alone=row.claims > 0) for row in rows]

    def not_published(self, ids: Sequence[str]) -> None:
        self.entries.filter(pk__in=ids, state=State.QUEUED).update(due_at=Clock(), published=0)

    def cancel(self, id: str) -> bool:  # noqa: A002
        changes: dict[str, Any] = {"state": State.CANCELLED, "payload": "", "due_at": None}
        ends: dict[str, Any] = {"finished_at": Clock(), "purge_at": Clock(self.options.keep_sent)}
        return bool(self.unfinished([id]).filter(handed=0).update(**changes, **ends))

    def dead(self) -> QuerySet[Entry]:
        return self.entries.filter(state=State.DEAD)

    def requeue(self, ids: Sequence[str]) -> int:
        fresh = dict.fromkeys(("attempts", "published", "claims", "handed"), 0)
        return (
            self.dead()
            .filter(pk__in=ids)
            .update(state=State.QUEUED, due_at=Clock(), finished_at=None, **fresh)
        )

    def oldest(self) -> datetime | None:
        needed = self.entries.filter(state__in=[*UNFINISHED, State.DEAD])
        found: datetime | None = needed.aggregate(oldest=Min("queued_at"))["oldest"]
        return found if found is None or is_aware(found) else make_aware(found)

    def purge(self, *, limit: int) -> int:
        old = self.entries.filter(purge_at__lte=Clock()).order_by("purge_at")
        ids = list(old.values_list("pk", flat=True)[:limit])
        return self.entries.filter(pk__in=ids).delete()[0]
