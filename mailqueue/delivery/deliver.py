"""The worker's half: try envelopes once, and say what is left to do for each."""

import functools
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from django.core.mail import EmailMessage

from mailqueue import signals
from mailqueue.broker import eager
from mailqueue.codec import Fetch, decode
from mailqueue.codec.attributes import UnknownAttribute
from mailqueue.codec.decode import refuse
from mailqueue.codec.identity import message_id_of
from mailqueue.delivery.attempt import attempt
from mailqueue.delivery.breaker import Breaker
from mailqueue.errors import DecodeError, TookTooLong, TransientDeliveryError
from mailqueue.lanes import Lane
from mailqueue.log import logger
from mailqueue.outcome.exceptions import OVER
from mailqueue.outcome.marks import is_time_limit
from mailqueue.outcome.outcome import LATE, Kind, Outcome, Outcomes, Stage
from mailqueue.outcome.retry import MINUTE
from mailqueue.outcome.settlement import Settlement, given_up, postponed, settle
from mailqueue.watch import RENDERING, bounded
from mailqueue.wire.envelope import Envelope

Mail = tuple[Envelope, EmailMessage]
LIMIT = Outcome(
    kind=Kind.AMBIGUOUS, stage=Stage.ACCEPTED, reason="time limit of the task (ambiguous)"
)

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
    untried = "its mailer pauses"
    while mails and (allowed := breaker.allowance(clock())) != 0:
        now, mails = mails[:allowed], mails[allowed or len(mails) :]
        gate = Gate([envelope for envelope, _ in now], may_go, clock)
        try:
            yield from tried(now, lane, gate, random=random)
        except Exception as error:
            if not is_time_limit(error) or eager.attempt.get() is not None:
                raise
            yield from in_doubt([now[index] for index in gate.gone], lane, clock(), random)
            untried = OVER.reason
            mails = [now[index] for index in gate.waiting - gate.gone] + mails
            break
    due_at = max(breaker.paused_until, clock())
    for envelope, _ in mails:
        yield waiting(envelope, lane, due_at, clock(), untried)


def tried(
    mails: Sequence[Mail], lane: Lane, gate: "Gate", *, random: Callable[[], float]
) -> Iterator[Settlement]:
    """Hand mails to the target; yield what became of each."""
    breaker, clock = breakers[lane.options.using], gate.clock
    for index, answer in attempt(lane, [each for _, each in mails], may_go=gate.lets_go):
        envelope = mails[index][0]
        if index in gate.late:
            settlement = too_late(envelope, clock())
        elif index not in gate.gone and set(answer.value.values()) == {OVER}:
            settlement = waiting(envelope, lane, clock(), clock(), OVER.reason)
        else:
            if cause := breaker.note(answer.value.values(), clock()):
                tell_pause(lane, cause, envelope, breaker.paused_until - clock())
            made = settled(envelope, answer.value, lane, now=clock(), random=random)
            settlement = replace(made, began_at=gate.begun[index], ended_at=clock())
        gate.settle(index)
        yield settlement


def in_doubt(
    mails: Sequence[Mail], lane: Lane, now: float, random: Callable[[], float]
) -> Iterator[Settlement]:
    """Settle mails that went, and whose answers the task's time limit kept from it."""
    for envelope, message in mails:
        outcomes = dict.fromkeys(message.recipients(), LIMIT)
        yield settled(envelope, outcomes, lane, now=now, random=random)


def too_late(envelope: Envelope, now: float) -> Settlement:
    """Return the settlement of a mail that was not to go any more when it was its turn."""
    if is_expired(envelope, now):
        return given_up(envelope, "expired")
    return postponed(envelope, now, LATE.reason)


class Gate:
    """Asked of each mail of a window, as late as its target allows, whether it may go now.

    ``begun`` has the time of that, or of the window if nobody asks, by the number of the mail;
    ``late`` has the numbers of those that may not. ``waiting`` are those of which nothing is known
    yet, ``gone`` those of them that may have gone.
    """

    def __init__(
        self,
        envelopes: Sequence[Envelope],
        may_go: Callable[[Envelope, float], bool],
        clock: Callable[[], float],
    ) -> None:
        self.envelopes, self.may_go, self.clock = envelopes, may_go, clock
        self.begun = [clock()] * len(envelopes)
        self.late: set[int] = set()
        self.waiting, self.gone = set(range(len(envelopes))), set[int]()

    def settle(self, index: int) -> None:
        """Note that it is known what became of a mail."""
        self.waiting.discard(index)
        self.gone.discard(index)

    def lets_go(self, index: int, seconds: float) -> bool:
        """Tell whether a mail, by its number, may go and take so many seconds."""
        envelope = self.envelopes[index]
        self.begun[index] = self.clock()
        goes = not is_expired(envelope, self.begun[index]) and self.may_go(envelope, seconds)
        (self.gone if goes else self.late).add(index)
        return goes


def tell_pause(lane: Lane, cause: Outcome, envelope: Envelope, seconds: float) -> None:
    """Tell why a mailer is not tried for a while, and which mail has met that."""
    signals.tell(
        signals.paused,
        mailer=envelope.mailer,
        id=envelope.id,
        message_id=message_id_of(envelope.message),
        using=lane.options.using,
        delay=seconds,
        reason=cause.reason,
        code=cause.code,
        enhanced=cause.enhanced,
    )


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
    except Exception as error:
        if is_time_limit(error):
            raise
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
            attributes = lane.options.carried_attributes
            yield envelope, bounded(RENDERING, partial(rebuild, envelope, fetch, attributes))
        except TookTooLong:
            yield given_up(envelope, "message takes too long to make")
        except UnknownAttribute:  # of a sender whose settings are newer, or older
            tell_unknown_attribute(envelope.mailer)
            yield waiting(envelope, lane, now + MINUTE, now, "an attribute is not known here")
        except TransientDeliveryError:  # the storage of its attachments cannot be asked
            due_at = now + lane.options.retry.schedule[0]
            yield waiting(envelope, lane, due_at, now, "the attachment storage failed")
        except Exception as error:  # MemoryError, RecursionError: that mail alone
            if is_time_limit(error):
                raise
            yield given_up(envelope, f"undecodable: {type(error).__name__}")


@functools.cache
def tell_unknown_attribute(mailer: str) -> None:
    """Say, once for each mailer in a process, why mail waits for its settings."""
    logger.error(
        "Mail of mailer %r waits: it carries an attribute that 'extra_attributes' here does not "
        "name. Are these the settings of the sender?",
        mailer,
    )


def rebuild(envelope: Envelope, fetch: Fetch, attributes: Collection[str]) -> EmailMessage:
    """Return the message of an envelope, for those recipients that remain.

    Raises `DecodeError`, and `TransientDeliveryError` when a content cannot be fetched now.
    """
    message = decode(envelope.message, fetch=fetch, attributes=attributes)
    if (recipients := envelope.recipients) is not None:
        if len(recipients) > len(message.recipients()):
            raise DecodeError("envelope: recipients: more than the message has")
        # The headers stay as they were.
        message.recipients = lambda: list(recipients)  # type: ignore[method-assign]
    return message


def waiting(envelope: Envelope, lane: Lane, due_at: float, now: float, untried: str) -> Settlement:
    """Return the settlement of a mail that waits at no charge, if it is not too old for that."""
    if now > envelope.queued_at + lane.options.retry.max_age:
        return given_up(envelope, "too old: it waited for its mailer")
    return postponed(envelope, due_at, untried)


def is_expired(envelope: Envelope, now: float) -> bool:
    """Tell whether the mail is not to be sent any more."""
    return envelope.expires_at is not None and envelope.expires_at <= now
