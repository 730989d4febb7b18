"""Lanes: what each queue mailer of this process works with."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from django.db import connections

from mailqueue.broker.bell import ring
from mailqueue.broker.publish import publish
from mailqueue.expectations import expect
from mailqueue.ledger.selection import database_ledger, ledger_of
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.mail.handler import backend_class
from mailqueue.options import QueueOptions
from mailqueue.outcome.exceptions import Classify, classifier
from mailqueue.wire.attachments import AttachmentStore, attachment_store
from mailqueue.wire.envelope import LIMIT, Envelope, pack
from mailqueue.wire.signature import Keys, keys_from_settings

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One queue mailer: its alias, its options and what they ask for.

    Made once, with its mailer, and handed on. It decides nothing. ``ledger`` is None where the
    broker alone keeps mail.
    """

    mailer: str
    options: QueueOptions
    keys: Keys
    ledger: "DatabaseLedger | None"
    classify: Classify

    @classmethod
    def make(cls, mailer: str, options: QueueOptions) -> Self:
        """Make the lane of a mailer; ValueError for an option that this project cannot fulfil."""
        if isinstance(options.on_commit, str):
            known = options.on_commit in connections
            expect("on_commit", options.on_commit, known, "True, False or an alias in DATABASES")
        keys = keys_from_settings(options.encryption_keys)
        lane = cls(
            mailer=mailer,
            options=options,
            keys=keys,
            ledger=ledger_of(mailer, options, keys),
            classify=classifier(options.classifier),
        )
        lane.store()
        return lane

    def store(self) -> AttachmentStore | None:
        """Return where large contents stay, for one call or one task; None if all travels."""
        if self.options.attachments is None:
            return None
        return attachment_store(
            self.options.attachments,
            inline_limit=self.options.inline_limit,
            cipher=self.keys.cipher,
        )

    def pack(self, envelope: Envelope, *, limit: int = LIMIT) -> str:
        """Return the envelope as it travels; `EncodeError` above ``limit`` characters."""
        return pack(envelope, self.keys, limit=limit)

    def publish(self, texts: Sequence[str], *, countdown: float = 0) -> None:
        """Publish packed envelopes as one task, to run in so many seconds; `PublishError`."""
        queue, priority = self.options.queue, self.options.priority
        publish(texts, queue=queue, priority=priority, countdown=countdown)

    def ring(self, *, unless_some: bool = False) -> bool:
        """Tell workers that mail of this lane is due; whether the broker took it.

        `unless_some`: not if so many messages wait on the queue that one more is of no use.
        """
        return ring(self.options.queue, self.options.priority, unless_some=unless_some)

    def kept(self) -> "DatabaseLedger":
        """Return the ledger, whichever level the mailer has now: what is kept stays kept.

        Raises ValueError where it is not installed.
        """
        return self.ledger or database_ledger(self.mailer, self.options, self.keys)


def lane_of(alias: str) -> Lane:
    """Return the lane of the queue mailer `alias`.

    Raises `MailerDoesNotExist` for an unknown alias, `InvalidMailer` for one that does not queue.
    """
    lane = getattr(mailers[alias], "lane", None)
    if not isinstance(lane, Lane):
        raise InvalidMailer("Expected a mailer that queues.", alias=alias)
    return lane


def lanes() -> dict[str, Lane]:
    """Return the lanes of all mailers that queue, by alias; raises `InvalidMailer`."""
    # Only these are built: another backend may have much to do for it.
    queueing = [
        alias
        for alias, config in mailers.settings.items()
        if getattr(backend_class(alias, config), "queues", False)
    ]
    return {alias: lane_of(alias) for alias in queueing}


def lanes_on(queue: str) -> list[Lane]:
    """Return the lanes whose mail travels on a queue; raises `InvalidMailer`."""
    return [lane for lane in lanes().values() if lane.options.queue == queue]


def queue_names() -> list[str]:
    """Return the names of all queues that mail travels on; raises `InvalidMailer`."""
    return sorted({lane.options.queue for lane in lanes().values()})
