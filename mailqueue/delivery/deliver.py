"""The worker's half: try envelopes once, and say what is left to do for each."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from django.core.mail import EmailMessage

from mailqueue.codec import Fetch, decode
from mailqueue.codec.decode import refuse
from mailqueue.delivery.breaker import Breaker
from mailqueue.delivery.target import attempt
from mailqueue.errors import DecodeError, TransientDeliveryError
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.outcome.outcome import Kind, Outcomes
from mailqueue.outcome.settlement import Settlement, given_up, postponed, settle
from mailqueue.wire.envelope import Envelope

Mail = tuple[Envelope, EmailMessage]

# By target. Each worker process learns for itself, at the price of one probe.
breakers: defaultdict[str, Breaker] = defaultdict(Breaker)


def deliver(
    envelopes: Sequence[Envelope],
    lane: Lane,
    *,
    may_go: Callable[[Envelope, float], bool] = lambda envelope, seconds: True,
    clock: Callable[[], float] = time.time,
    random: Callable[[], float] = random.random,
) -> Iterator[Settlement]:
    """Try each mail once, as far as the state of the target allows; yield a settlement for each.

    Before each goes its ``expires_at`` is asked, and `may_go` with the seconds that it may take.
    One that may not is settled as not tried.
    """
    mails: list[Mail] = []
    for each in rebuilt(envelopes, lane, clock()):
        if isinstance(each, Settlement):
            yield each
        else:
            mails.append(each)
    breaker = breakers[lane.options.using]
    while mails and (allowed := breaker.allowance(clock())) != 0:
        now, mails = mails[:allowed], mails[allowed or len(mails) :]
        late: set[int] = set()

        def ready(
            index: int, seconds: float, now: Sequence[Mail] = now, late: set[int] = late
        ) -> bool:
            envelope = now[index][0]
            goes = not is_expired(envelope, clock()) and may_go(envelope, seconds)
            if not goes:
                late.add(index)
            return goes

        outcomes_of_each = attempt(lane, [message for _, message in now], may_go=ready)
        for index, outcomes in enumerate(outcomes_of_each):
            envelope = now[index][0]
            if index in late:
                expired = is_expired(envelope, clock())
                yield given_up(envelope, "expired") if expired else postponed(envelope, clock())
                continue
            if cause := breaker.note(outcomes.values(), clock()):
                logger.error("Mailer %r pauses: %s.", lane.options.using, cause.reason)
            yield settled(envelope, outcomes, lane, now=clock(), random=random)
    for envelope, _ in mails:
        yield waiting(envelope, lane, breaker.paused_until, clock())


def settled(
    envelope: Envelope,
    outcomes: Outcomes,
    lane: Lane,
    *,
    now: float,
    random: Callable[[], float],
) -> Settlement:
    """Settle one mail; a defect of ours there may not cost what is known of the others."""
    try:
        return settle(envelope, outcomes, policy=lane.options.retry, now=now, random=random)
    except Exception as error:  # noqa: BLE001
        return given_up(envelope, f"internal error: {type(error).__name__}", Kind.AMBIGUOUS)


def rebuilt(envelopes: Sequence[Envelope], lane: Lane, now: float) -> Iterator[Mail | Settlement]:
    """Yield the message of each envelope, or the settlement of one that is not to be tried."""
    store = lane.store()
    fetch: Fetch = store.fetch if store else refuse
    for envelope in envelopes:
        if is_expired(envelope, now):
            yield given_up(envelope, "expired")
            continue
        try:
            yield envelope, rebuild(envelope, fetch)
        except DecodeError as error:
            yield given_up(envelope, f"undecodable: {type(error).__name__}")
        except TransientDeliveryError:  # the storage of its attachments cannot be asked
            yield waiting(envelope, lane, now + lane.options.retry.schedule[0], now)
        except Exception as error:  # noqa: BLE001 (MemoryError, RecursionError: that mail alone)
            yield given_up(envelope, f"internal error: {type(error).__name__}")


def rebuild(envelope: Envelope, fetch: Fetch) -> EmailMessage:
    """Return the message of an envelope, for those recipients that remain.

    Raises `DecodeError`, and `TransientDeliveryError` when a content cannot be fetched now.
    """
    message = decode(envelope.message, fetch=fetch)
    if (recipients := envelope.recipients) is not None:
        # The headers stay as they were.
        message.recipients = lambda: list(recipients)  # type: ignore[method-assign]
    return message


def waiting(envelope: Envelope, lane: Lane, due_at: float, now: float) -> Settlement:
    """Return the settlement of a mail that waits at no charge, if it is not too old for that."""
    if now > envelope.queued_at + lane.options.retry.max_age:
        return given_up(envelope, "too old: it waited for its mailer")
    return postponed(envelope, due_at)


def is_expired(envelope: Envelope, now: float) -> bool:
    """Tell whether the mail is not to be sent any more."""
    return envelope.expires_at is not None and envelope.expires_at <= now
