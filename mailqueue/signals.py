"""What happens to mail, as Django signals; they carry ids and codes, never content or addresses.

=============  =====================================================================
``queued``     ``mailer``, ``id``, ``published`` (False: kept, the relay will publish it)
``sent``       ``mailer``, ``id``, ``attempts``
``deferred``   ``mailer``, ``id``, ``attempts``, ``delay`` (seconds), ``code``, ``enhanced``
``dead``       ``mailer``, ``id``, ``reason``, ``code``, ``enhanced``, ``origin``
``cancelled``  ``mailer``, ``id``
=============  =====================================================================

A mail whose recipients fared differently sends several. What is dead beside recipients that are
not has an id of its own in the database ledger; ``origin`` is the id that was queued.

A receiver that raises is logged by Django and changes nothing for the mail.
"""

import logging
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("mailqueue")

queued = Signal()
sent = Signal()
deferred = Signal()
dead = Signal()
cancelled = Signal()


def tell(signal: Signal, *, mailer: str, id: str, **facts: Any) -> None:  # noqa: A002 (the fact's name)
    """Send a signal; the sender is the module of the signals."""
    signal.send_robust(sender=None, mailer=mailer, id=id, **facts)


def log_queued(*, id: str, published: bool, **facts: Any) -> None:  # noqa: A002
    if not published:
        logger.warning("Mail %s: kept, but the broker did not take it; the relay will try.", id)


def log_sent(*, id: str, **facts: Any) -> None:  # noqa: A002
    logger.debug("Mail %s: sent.", id)


def log_deferred(*, id: str, delay: float, **facts: Any) -> None:  # noqa: A002
    logger.info("Mail %s: next attempt in %.0f s.", id, delay)


def log_dead(*, id: str, reason: str, **facts: Any) -> None:  # noqa: A002
    logger.warning("Mail %s: dead letter, %s.", id, reason)


def log_cancelled(*, id: str, **facts: Any) -> None:  # noqa: A002
    logger.info("Mail %s: cancelled.", id)


queued.connect(log_queued)
sent.connect(log_sent)
deferred.connect(log_deferred)
dead.connect(log_dead)
cancelled.connect(log_cancelled)
