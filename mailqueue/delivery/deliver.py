"""The worker's half: hand messages to their target, and say what is left to do for each."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.delivery.connections import connections
from mailqueue.delivery.outcome import Kind, Outcome, Outcomes, Stage
from mailqueue.delivery.replies import classify, judge
from mailqueue.delivery.retry import GiveUp, Later, RetryPolicy, decide
from mailqueue.wire.codec import Fetch, decode
from mailqueue.wire.envelope import Envelope

Classify = Callable[[BaseException, Sequence[str], EmailMessage], Outcomes]

# Failures before a message is named concern the mailer; the rest of a batch would meet them too.
MAILER_WIDE = {Stage.CONNECT, Stage.TLS, Stage.AUTH}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dead:
    """An envelope given up, for the recipients that it names."""

    envelope: Envelope
    outcome: Outcome
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What one attempt at an envelope came to.

    `again` is the envelope of those recipients that are tried once more, at its `due_at`.
    """

    envelope: Envelope
    outcomes: Outcomes
    again: Envelope | None
    dead: tuple[Dead, ...]

    @property
    def cause(self) -> Outcome | None:
        """Why it is to be tried again: the outcome of one of those recipients."""
        names = self.again.recipients if self.again else None
        return next((self.outcomes[name] for name in names or () if name in self.outcomes), None)


def deliver(
    mails: Sequence[tuple[Envelope, EmailMessage]],
    *,
    using: str,
    policy: RetryPolicy,
    clock: Callable[[], float],
    random: Callable[[], float],
    classify: Classify = classify,
) -> Iterator[Settlement]:
    """Try each mail once through the mailer `using`; yield a settlement for each."""
    results = attempt(using, [message for _, message in mails], classify)
    for (envelope, _), outcomes in zip(mails, results, strict=True):
        yield settle(envelope, outcomes, policy=policy, now=clock(), random=random)


def deliver_singly(
    mails: Sequence[tuple[Envelope, EmailMessage]],
    *,
    using: str,
    policy: RetryPolicy,
    clock: Callable[[], float],
    random: Callable[[], float],
    hand_over: Callable[[Envelope], bool],
    classify: Classify = classify,
) -> Iterator[Settlement]:
    """Try one after the other, each if `hand_over` still allows it; others get no settlement.

    The settlement of one is taken before the next is handed over, so that a crash leaves at most
    one mail of which nobody knows whether it was sent.
    """
    failed: Outcome | None = None
    for envelope, message in mails:
        if failed is not None:
            outcomes: Outcomes = shared(failed, message)
        elif hand_over(envelope):
            [outcomes] = attempt(using, [message], classify)
            failed = mailer_wide(outcomes)
        else:
            continue
        yield settle(envelope, outcomes, policy=policy, now=clock(), random=random)


def given_up(envelope: Envelope, reason: str, kind: Kind = Kind.PERMANENT) -> Settlement:
    """Return the settlement of an envelope that no target is to see (again)."""
    outcome = Outcome(kind=kind, stage=Stage.MESSAGE, reason=reason)
    dead = Dead(envelope=envelope, outcome=outcome, reason=reason)
    return Settlement(envelope=envelope, outcomes={}, again=None, dead=(dead,))


def postponed(envelope: Envelope, due_at: float) -> Settlement:
    """Return the settlement of an envelope that was not tried and shall be later, uncharged."""
    again = dataclasses.replace(envelope, due_at=due_at)
    return Settlement(envelope=envelope, outcomes={}, again=again, dead=())


def rebuild(envelope: Envelope, fetch: Fetch) -> EmailMessage:
    """Return the message of an envelope, for those recipients that remain.

    Raises `DecodeError`, and `TransientDeliveryError` when a content cannot be fetched now.
    """
    return addressed(decode(envelope.message, fetch=fetch), envelope.recipients)


def addressed(message: EmailMessage, recipients: Sequence[str] | None) -> EmailMessage:
    """Limit the envelope recipients of a message; its headers stay as they were."""
    if recipients is not None:
        message.recipients = lambda: list(recipients)  # type: ignore[method-assign]
    return message


def attempt(using: str, messages: Sequence[EmailMessage], classify: Classify) -> Iterator[Outcomes]:
    """Hand the messages to the target; yield what became of each, per recipient."""
    try:
        with connections.use(using) as target:
            if hasattr(target, "deliver"):
                yield from target.deliver(messages)
                return
    except Exception as error:  # noqa: BLE001 (classify knows them all; unknown ones are retried)
        yield from (classify(error, message.recipients(), message) for message in messages)
        return
    failed: Outcome | None = None
    for message in messages:
        if failed is None:
            outcomes = attempt_one(using, message, classify)
            failed = mailer_wide(outcomes)
        else:
            outcomes = shared(failed, message)
        yield outcomes


def attempt_one(using: str, message: EmailMessage, classify: Classify) -> Outcomes:
    """Hand one message to a target that offers `send_messages()` alone."""
    try:
        with connections.use(using) as target:
            return judge(target.send_messages([message]), message.recipients(), message)
    except Exception as error:  # noqa: BLE001
        return classify(error, message.recipients(), message)


def mailer_wide(outcomes: Outcomes) -> Outcome | None:
    """Return the failure that is the mailer's own, if that is what this attempt ended with."""
    for outcome in outcomes.values():
        if outcome.kind is Kind.CONFIGURATION or outcome.stage in MAILER_WIDE:
            return outcome
    return None


def shared(outcome: Outcome, message: EmailMessage) -> Outcomes:
    return dict.fromkeys(message.recipients(), outcome)


def settle(
    envelope: Envelope,
    outcomes: Outcomes,
    *,
    policy: RetryPolicy,
    now: float,
    random: Callable[[], float],
) -> Settlement:
    """Decide for each recipient: done, once more, or given up. Pure."""
    share = random()  # one draw, so that recipients of one message stay together
    decisions: dict[str, Later | GiveUp] = {
        recipient: decide(
            outcome,
            attempts=envelope.attempts,
            queued_at=envelope.queued_at,
            now=now,
            expires_at=envelope.expires_at,
            policy=policy,
            random=lambda: share,
            resent=envelope.resent,
        )
        for recipient, outcome in outcomes.items()
        if outcome.kind is not Kind.SENT
    }
    dead = (
        Dead(
            envelope=dataclasses.replace(envelope, recipients=(recipient,)),
            outcome=outcomes[recipient],
            reason=decision.reason,
        )
        for recipient, decision in decisions.items()
        if isinstance(decision, GiveUp)
    )
    return Settlement(
        envelope=envelope,
        outcomes=outcomes,
        again=once_more(envelope, decisions, now),
        dead=tuple(dead),
    )


def once_more(
    envelope: Envelope, decisions: Mapping[str, Later | GiveUp], now: float
) -> Envelope | None:
    """Return the envelope for the recipients to be tried again, or None without any."""
    later: dict[str, Any] = {
        recipient: decision
        for recipient, decision in decisions.items()
        if isinstance(decision, Later)
    }
    if not later:
        return None
    charged = any(each.charged for each in later.values())
    return dataclasses.replace(
        envelope,
        recipients=tuple(later),
        attempts=envelope.attempts + charged,
        due_at=now + max(each.delay for each in later.values()),
        resent=envelope.resent or any(each.resend for each in later.values()),
    )
