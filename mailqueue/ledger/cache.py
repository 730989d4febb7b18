"""The cache level: claims, leases and sent marks, in a Django cache that all workers share.

Needs a cache whose ``add()`` and ``incr()`` are atomic for all processes: Redis or Memcached, not
the database, file or memory caches. What the cache forgets may be sent again, never be lost.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from django.core.cache.backends.base import BaseCache

from mailqueue.ledger.interface import Claim, Ledger, asking, doom
from mailqueue.options import QueueOptions
from mailqueue.outcome.retry import DAY
from mailqueue.outcome.settlement import Dead, Settlement
from mailqueue.wire.envelope import Envelope
from mailqueue.wire.reference import Reference

away = asking(Exception)  # each cache backend has errors of its own


class CacheLedger(Ledger):
    """Four keys a mail and attempt, of which one outlives the attempt.

    ``claim`` holds the fence, for the length of the lease; ``claims`` and ``handed`` count;
    ``done`` stays as long as a broker could bring the same attempt again.
    """

    def __init__(self, cache: BaseCache, options: QueueOptions) -> None:
        self.cache = cache
        self.lease = options.lease
        self.keep = options.retry.max_age + DAY
        self.most_handed = options.retry.max_ambiguous

    @away
    def claim(self, items: Sequence[Envelope | Reference]) -> list[Claim]:
        claims = (self.claim_one(item) for item in items if isinstance(item, Envelope))
        return [claim for claim in claims if claim is not None]

    def claim_one(self, envelope: Envelope) -> Claim | None:
        fence = uuid.uuid4().hex
        granted = self.cache.add(key(envelope, "claim"), fence, self.lease)
        # Asked after the claim: whoever had it before has set the mark before it let go.
        if self.cache.get(key(envelope, "done")):
            return None
        if not granted:
            # Not simply left to its holder: with Redis this may be the holder's own message, that
            # came a second time, and acking it would leave none.
            return Claim(envelope=envelope, wait=self.lease)
        claims = self.count(key(envelope, "claims"))
        handed = self.cache.get(key(envelope, "handed"), 0) + int(envelope.resent)
        resent = 0 < handed >= self.most_handed
        return Claim(
            envelope=dataclasses.replace(envelope, resent=resent),
            fence=fence,
            handed=handed,
            doomed=doom(claims=claims, handed=handed, most_handed=self.most_handed),
        )

    def count(self, name: str) -> int:
        """Count up from 0, as long as the cache remembers."""
        self.cache.add(name, 0, self.keep)
        try:
            return self.cache.incr(name)
        except ValueError:  # forgotten in between
            return 1

    @away
    def hand_over(self, claim: Claim) -> bool:
        held, done = key(claim.envelope, "claim"), key(claim.envelope, "done")
        # Nothing but our fence: another may have finished it although the claim was ours since.
        if self.cache.get_many([held, done]) != {held: claim.fence}:
            return False
        if not self.cache.touch(held, self.lease):
            return False
        self.count(key(claim.envelope, "handed"))
        return True

    @away
    def finish(self, claim: Claim, settlement: Settlement) -> Sequence[Dead] | None:
        # Also when the lease has ended: what follows is published, so this attempt is over.
        self.cache.set(key(claim.envelope, "done"), 1, self.keep)
        counters = ("claims", "handed")
        self.cache.delete_many([key(claim.envelope, name) for name in counters])
        return settlement.dead


def key(envelope: Envelope, name: str) -> str:
    """Name a fact of one attempt: each attempt of a mail has a due time of its own."""
    return f"mailqueue:{envelope.id}:{envelope.due_at or 0!r}:{name}"
