"""What happens to mail, as Django signals; they carry ids and codes, never content or addresses.

=============  =====================================================================
``queued``     ``mailer``, ``id``
``sent``       ``mailer``, ``id``, ``attempts``
``deferred``   ``mailer``, ``id``, ``attempts``, ``delay`` (seconds), ``code``, ``enhanced``
``dead``       ``mailer``, ``id``, ``origin``, ``reason``, ``code``, ``enhanced``
``cancelled``  ``mailer``, ``id``
=============  =====================================================================

A mail whose recipients fared differently sends several. What is dead beside recipients that are
not has an id of its own in the database ledger; ``origin`` is the id that was queued. What came
from the broker and could not be read has no mailer and no id: both are "".

A receiver that raises is logged by Django and changes nothing for the mail.
"""

from django.dispatch import Signal

queued = Signal()
sent = Signal()
deferred = Signal()
dead = Signal()
cancelled = Signal()


def tell(signal: Signal, *, mailer: str, id: str, **facts: object) -> None:  # noqa: A002 (the fact's name)
    """Send a signal; it has no sender."""
    signal.send_robust(sender=None, mailer=mailer, id=id, **facts)


def tell_dead(
    *,
    mailer: str,
    id: str,  # noqa: A002
    origin: str,
    reason: str,
    code: int | None = None,
    enhanced: str | None = None,
) -> None:
    """Send `dead`; whoever makes a dead letter calls this, and nobody else."""
    facts = {"origin": origin, "reason": reason, "code": code, "enhanced": enhanced}
    tell(dead, mailer=mailer, id=id, **facts)
