"""The mails as rows, written in the caller's transaction, claimed by workers window by window."""

import itertools
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from django.db import Error, connections, router, transaction
from django.db.models import F, QuerySet

from mailqueue.errors import DecodeError
from mailqueue.ledger.claims import Claim, Claims, asking
from mailqueue.ledger.clock import Clock
from mailqueue.ledger.history import attempts
from mailqueue.ledger.inserting import insert
from mailqueue.ledger.models import UNFINISHED, Entry, State
from mailqueue.ledger.noting import note
from mailqueue.ledger.opening import opened, pause_of
from mailqueue.ledger.removing import remove
from mailqueue.ledger.taking import Taken, take
from mailqueue.ledger.transitions import (
    after,
    apart,
    dead_row,
    is_sent,
    new_row,
)
from mailqueue.log import logger
from mailqueue.options import QueueOptions
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope, fresh, pack, unpack
from mailqueue.wire.signature import Keys, worker_keys


class DatabaseLedger:
    """The mails of one mailer in the table; its times are those of the database's clock."""

    def __init__(self, mailer: str, options: QueueOptions, keys: Keys) -> None:
        self.mailer = mailer
        self.options = options
        self.keys = keys
        self.database = router.db_for_write(Entry)
        if not connections[self.database].settings_dict["AUTOCOMMIT"]:
            # What a worker notes would be undone with its connection, and every mail sent again.
            raise ValueError(
                f"the ledger needs DATABASES[{self.database!r}] without 'AUTOCOMMIT': False"
            )
        self.entries = Entry.objects.using(self.database)

    # What the sender does.

    def record(self, envelopes: Sequence[tuple[Envelope, str]]) -> None:
        """Keep envelopes with their packed text, all or none; a known id is left as it is."""
        now = time.time()
        age = self.options.retry.max_age
        rows = [(new_row(each, text, now=now, max_age=age), each) for each, text in envelopes]
        # Without autocommit SQLite would commit with the savepoint.
        savepoint = connections[self.database].in_atomic_block
        insert(rows, self.database, self.options, self.keys, savepoint=savepoint)

    def known(self, ids: Collection[str]) -> set[str]:
        """Return those of the ids that are kept, finished or not."""
        return set(self.entries.filter(pk__in=ids).values_list("pk", flat=True))

    # What a worker does; all of it raises `LedgerError` when the database cannot be asked.

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do what is inside in one transaction; the first thing in it must be to write."""
        with asking(Error), transaction.atomic(using=self.database):
            yield

    def claim(self, *, limit: int, outlived: bool = False, fence: str = "") -> Claims:
        """Claim at most so many of the mails that are due, first due first; none while paused.

        A mail whose last worker died comes alone. `outlived` takes those only whose time is over.
        Whoever gets an error may `disown` the ``fence``: perhaps the answer alone was lost.
        """
        until = time.monotonic() + self.options.lease  # begun before the database's
        with asking(Error):
            rows = take(
                self.mailer,
                self.database,
                limit=limit,
                fence=fence or uuid.uuid4().hex,
                lease=self.options.lease,
                outlived=outlived,
            )
            claims = Claims(claim for row in rows if (claim := self._read(row, until)))
        claims.found = len(rows)
        return claims

    def finish(self, results: Sequence[tuple[Claim, Settlement]]) -> list[Sequence[Dead] | None]:
        """Note what became of claims.

        Returns for each the dead letters under the ids by which they are known from now on; None
        if the claim was lost, and with it the say.
        """
        with asking(Error):
            note(
                [claim.envelope.id for claim, settlement in results if is_sent(settlement)],
                list(itertools.chain.from_iterable(itertools.starmap(attempts, results))),
                self.database,
                keep_sent=self.options.keep_sent,
                keep_content=self.options.keep_content,
            )
            return [
                () if is_sent(settlement) else self._finish_one(claim, settlement)
                for claim, settlement in results
            ]

    def release(self, claims: Sequence[Claim], *, in_doubt: bool) -> None:
        """Give back claims before the end of their lease; `in_doubt`: they may have been sent."""
        with asking(Error):
            for claim in claims:
                handed = claim.handed + in_doubt
                self._sending([claim.envelope.id], claim.fence).update(
                    state=State.QUEUED, due_at=Clock(), handed=handed
                )

    def disown(self, fence: str) -> None:
        """Give back what was claimed under a fence and never came into anybody's hands."""
        with asking(Error):
            claimed = self.entries.filter(due_at__isnull=False, fence=fence, state=State.SENDING)
            claimed.filter(mailer=self.mailer).update(
                state=State.QUEUED, due_at=Clock(), handed=F("handed") - 1
            )

    # What the timer does.

    def is_due(self) -> bool:
        """Tell whether a mail of this mailer is due."""
        return self.entries.filter(mailer=self.mailer, due_at__lte=Clock()).exists()

    def strangers(self, mailers: Collection[str]) -> list[str]:
        """Return mailers that none of these is and that have mails which are due."""
        due = self.entries.filter(due_at__lte=Clock()).exclude(mailer__in=mailers)
        return list(due.order_by("mailer").values_list("mailer", flat=True).distinct()[:100])

    def purge(self, *, limit: int) -> int:
        """Delete at most so many mails that were kept long enough; return how many.

        Of as many the content alone.
        """
        over = self.entries.filter(erase_at__lte=Clock()).order_by("erase_at")
        ids = list(over.values_list("pk", flat=True)[:limit])
        if ids:
            self.entries.filter(pk__in=ids).update(payload="", size=0, erase_at=None)
        old = self.entries.filter(purge_at__lte=Clock()).order_by("purge_at")
        ids = list(old.values_list("pk", flat=True)[:limit])
        return remove(ids, purge_at__lte=Clock())  # still: a dead letter may be queued anew

    # What people do.

    def cancel(self, id: str) -> bool:  # noqa: A002
        """Cancel a mail that no target has been handed; False if it is too late."""
        changes: dict[str, Any] = {"state": State.CANCELLED, "payload": "", "due_at": None}
        ends: dict[str, Any] = {"finished_at": Clock(), "purge_at": Clock(self.options.keep_sent)}
        return bool(self._unfinished([id]).filter(handed=0).update(**changes, **ends))

    def dead(self) -> QuerySet[Entry]:
        """Return the dead letters of all mailers."""
        return self.entries.filter(state=State.DEAD)

    def requeue(self, ids: Sequence[str]) -> int:
        """Queue dead letters anew, as if never tried; return how many there were.

        They are young again, and do not expire: somebody wants them to be sent.
        """
        renewed = [(row, self._renewed(row)) for row in self.dead().filter(pk__in=ids)]
        with transaction.atomic(using=self.database):
            return sum(
                # Whoever was quicker has queued it, and it may have died again, of fewer.
                self.dead().filter(pk=row.pk, fence=row.fence).update(**changes)
                for row, changes in renewed
            )

    def _renewed(self, row: Entry) -> dict[str, Any]:
        changes: dict[str, Any] = {"attempts": 0, "handed": 0, "held": 0, "finished_at": None}
        changes |= {"state": State.QUEUED, "due_at": Clock(), "purge_at": None}
        changes["give_up_at"] = Clock(self.options.retry.max_age)
        with suppress(DecodeError):  # it will wait for a worker that can open it
            envelope = fresh(unpack(row.payload, worker_keys()), now=time.time())
            changes["payload"] = pack(envelope, self.keys)
            changes["size"] = len(changes["payload"])
        return changes

    def _read(self, row: Taken, until: float) -> Claim | None:
        """Return the claim of a row that was taken; what cannot be opened here is given back."""
        try:
            return opened(row, until=until, most=self.options.retry.max_ambiguous)
        except DecodeError as error:
            self._sending([row.id], row.fence).update(
                state=State.QUEUED, due_at=Clock(pause_of(row)), handed=row.handed - 1
            )
            logger.error(
                "Mail %s of mailer %r cannot be opened by this worker (%s) and waits. "
                "Is SECRET_KEY, and are the encryption keys, those of the sender?",
                *(row.id, row.mailer, type(error).__name__),
            )
            return None

    def _finish_one(self, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
        keep, tries = self.options.keep_dead, settlement.attempts
        changes = after(claim, settlement, now=time.time(), options=self.options)
        whole = changes["state"] == State.DEAD  # not only some of its recipients
        left = settlement.dead[0].envelope if whole else settlement.again
        if left is not None and len(left.recipients or ()) < len(settlement.outcomes):
            changes["payload"] = pack(left, self.keys)  # which says its age without pauses
            changes |= {"size": len(changes["payload"]), "held": 0}
        letters = [apart(dead) for dead in settlement.dead[whole:]]
        origin = claim.envelope.id
        rows = [
            (
                dead_row(dead, pack(dead.envelope, self.keys), origin, attempts=tries, keep=keep),
                dead.envelope,
            )
            for dead in letters
        ]
        around = transaction.atomic(using=self.database, savepoint=False)
        with around if rows else nullcontext():
            if not self._sending([origin], claim.fence).update(**changes):
                was_sent = changes["state"] == State.SENT
                if not (
                    (was_sent and self._unfinished([origin]).update(**changes))
                    or self._noted(origin, claim.fence, changes["state"])
                ):
                    return None
            if rows:
                insert(rows, self.database, self.options, self.keys)
        return (*settlement.dead[:whole], *letters)

    def _noted(self, id: str, fence: str, state: State) -> bool:  # noqa: A002
        """Tell whether this outcome was noted before, and only the answer to that was lost."""
        return self.entries.filter(pk=id, fence=fence, state=state).exists()

    def _sending(self, ids: Collection[str], fence: str) -> QuerySet[Entry]:
        return self.entries.filter(pk__in=ids, fence=fence, state=State.SENDING)

    def _unfinished(self, ids: Collection[str]) -> QuerySet[Entry]:
        return self.entries.filter(pk__in=ids, state__in=UNFINISHED)
