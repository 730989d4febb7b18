"""What happens to mail, as Django signals; they carry ids and codes, never content or addresses.

=============  =====================================================================
``queued``     ``mailer``, ``id``, ``message_id``, ``message``
``attempted``  ``mailer``, ``id``, ``message_id``, ``attempts``, ``began_at`` (Unix time),
               ``seconds``, ``kind``, ``stage``, ``code``, ``enhanced``, ``queue_id``,
               ``traceparent``
``sent``       ``mailer``, ``id``, ``message_id``, ``attempts``, ``queue_id``, ``age`` (seconds)
``deferred``   ``mailer``, ``id``, ``message_id``, ``attempts``, ``delay`` (seconds), ``kind``,
               ``stage``, ``reason``, ``code``, ``enhanced``
``dead``       ``mailer``, ``id``, ``message_id``, ``attempts``, ``origin``, ``kind``, ``stage``,
               ``reason``, ``code``, ``enhanced``
``cancelled``  ``mailer``, ``id``
``paused``     ``mailer``, ``id``, ``message_id``, ``using``, ``delay`` (seconds), ``reason``,
               ``code``, ``enhanced``
=============  =====================================================================

`paused` is of the target ``using``, and names the mail that has met what makes it pause.

The one exception is the ``message`` of ``queued``: the object that the sender has in hand.

A mail whose recipients fared differently sends several. What is dead beside recipients that are
not has an id of its own in the database ledger; ``origin`` is the id that was queued. What came
from the broker and could not be read has no mailer and no id: both are "".

A receiver that raises is logged by Django and changes nothing for the mail.
"""

from django.dispatch import Signal

queued = Signal()
attempted = Signal()
sent = Signal()
deferred = Signal()
dead = Signal()
cancelled = Signal()
paused = Signal()


def tell(signal: Signal, *, mailer: str, id: str, **facts: object) -> None:  # noqa: A002 (the fact's name)
    """Send a signal; it has no sender."""
    signal.send_robust(sender=None, mailer=mailer, id=id, **facts)


def tell_dead(
    *,
    mailer: str,
    id: str,  # noqa: A002
    origin: str,
    reason: str,
    message_id: str = "",
    attempts: int = 0,
    kind: str = "",
    stage: str = "",
    code: int | None = None,
    enhanced: str | None = None,
) -> None:
    """Send `dead`; whoever makes a dead letter calls this, and nobody else."""
    facts = {"message_id": message_id, "attempts": attempts, "origin": origin}
    facts |= {"kind": kind, "stage": stage, "reason": reason, "code": code, "enhanced": enhanced}
    tell(dead, mailer=mailer, id=id, **facts)
