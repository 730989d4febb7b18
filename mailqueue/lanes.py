"""Lanes: what each queue mailer of this process works with."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.mail.backends import smtp as django_smtp
from django.core.signals import setting_changed
from django.db import connections
from django.dispatch import receiver

from mailqueue.broker.bell import ring
from mailqueue.broker.publish import publish
from mailqueue.broker.ringer import ring_soon
from mailqueue.expectations import expect
from mailqueue.ledger.selection import database_ledger, default_level, ledger_of
from mailqueue.mail import mailers
from mailqueue.mail.addresses import modern
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.mail.handler import backend_class
from mailqueue.mail.using import deliverers, fault
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
    broker alone keeps mail. ``force_ascii`` tells whether addresses must do without SMTPUTF8, and
    is None where mail does not go by SMTP: who takes it then may take addresses that SMTP does not.
    """

    mailer: str
    options: QueueOptions
    keys: Keys
    ledger: "DatabaseLedger | None"
    classify: Classify
    force_ascii: bool | None = None

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
            force_ascii=force_ascii(options.using),
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

    def spell(self, address: str) -> str:
        """Return an address as whoever delivers understands it; no SMTP server has to ask."""
        return address if self.force_ascii is None else modern(address)

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

    def ring_soon(self) -> None:
        """Have workers told that mail of this lane is due, without waiting for the broker."""
        ring_soon(self.options.queue, self.options.priority)

    def kept(self) -> "DatabaseLedger":
        """Return the ledger, whichever level the mailer has now: what is kept stays kept.

        Raises ValueError where it is not installed.
        """
        return self.ledger or database_ledger(self.mailer, self.options, self.keys)


# What a lane was made of, and the lane, by its alias.
_kept: dict[str, tuple[object, Lane]] = {}


def kept_lane(alias: str, options: Mapping[str, Any]) -> Lane:
    """Return the lane of a mailer with these OPTIONS: the last one, if settings are what they were.

    Django makes a mailer anew for each mail, and a lane takes longer than to pack a mail. Raises
    `InvalidMailer`.
    """
    entries, keys = mailers.settings, [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    kept = _kept.get(alias)
    if kept is None or kept[0] != (options, entries, keys):
        lane = made_lane(alias, options)
        kept = _kept[alias] = (copy.deepcopy(options), dict(entries), keys), lane
    return kept[1]


@receiver(setting_changed)
def forget_lanes(**changed: object) -> None:
    """Make all lanes anew: tests change settings."""
    _kept.clear()


def made_lane(alias: str, options: Mapping[str, Any]) -> Lane:
    try:
        lane = Lane.make(alias, QueueOptions.from_mailer(options, ledger=default_level()))
    except ValueError as error:
        raise InvalidMailer(str(error), alias=alias) from None
    here = {"OPTIONS": {"using": lane.options.using}}
    if wrong := fault(alias, {**mailers.settings, alias: here}):
        raise InvalidMailer(wrong, alias=alias)
    return lane


def force_ascii(using: str) -> bool | None:
    """Return what `Lane.force_ascii` is for mail that goes to the mailer `using`."""
    entries = mailers.settings
    try:
        classes = [
            backend_class(alias, entries[alias]) for alias in deliverers(using, entries) or [using]
        ]
    except (InvalidMailer, KeyError):  # told by the checks, and where it delivers
        return None
    if not all(map(is_smtp, classes)):
        return None
    return not all(getattr(each, "smtputf8", False) for each in classes)


def is_smtp(backend: object) -> bool:
    """Tell whether this is an SMTP backend: ours, Django's, or made of one of them."""
    djangos = isinstance(backend, type) and issubclass(backend, django_smtp.EmailBackend)
    return djangos or hasattr(backend, "smtputf8")


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
