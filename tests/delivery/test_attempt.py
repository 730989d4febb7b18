"""Mails over several open targets at once: what is the same as over one, and what is won."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue import signals
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.delivery import attempt as module
from mailqueue.delivery.attempt import attempt, paces, split
from mailqueue.delivery.connections import connections
from mailqueue.delivery.couriers import couriers
from mailqueue.delivery.deliver import breakers, deliver
from mailqueue.delivery.pace import Pace
from mailqueue.lanes import Lane
from mailqueue.options import QueueOptions
from mailqueue.outcome import Kind, Outcome, Stage
from tests.delivery.test_deliver import envelope_for

FEW = 3  # connections
SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
REFUSED = Outcome(kind=Kind.RATE_LIMITED, stage=Stage.CONNECT, code=421)


class Target(BaseEmailBackend):
    """Tells outcomes; what a test sets on the class happens to each message."""

    reports_outcomes = True
    opened: list["Target"] = []
    got: list[tuple[int, str]] = []  # number of the target, subject
    handle: Callable[["Target", str], Outcome] = lambda self, subject: SENT

    def open(self) -> None:
        self.opened.append(self)
        self.number = len(self.opened)

    def deliver(self, messages: Any) -> Any:
        for message in messages:
            yield dict.fromkeys(message.recipients(), self.take(message))

    def take(self, message: Any) -> Outcome:
        self.got.append((self.number, message.subject))
        return type(self).handle(self, message.subject)


class Sends(Target):
    """The same with `send_messages()` alone: what is no success is raised."""

    reports_outcomes = False

    def send_messages(self, email_messages: Any) -> int:
        for message in email_messages:
            if (outcome := self.take(message)) is not SENT:
                raise FailedError(outcome)
        return len(email_messages)


class Asks(Target):
    """Asks of each message whether it may go, as late as can be."""

    before_content: Any = None

    def take(self, message: Any) -> Outcome:
        assert self.before_content(message)
        return super().take(message)


class FailedError(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


threads_of_the_project: set[threading.Thread] = set()


def classify(error: Exception, recipients: Any, message: Any) -> Any:
    threads_of_the_project.add(threading.current_thread())
    return dict.fromkeys(recipients, error.outcome) if isinstance(error, FailedError) else None


@pytest.fixture(params=[Target, Sends])
def target(request: Any) -> Iterator[type[Target]]:
    kind: type[Target] = request.param
    Target.opened, Target.got = [], []
    threads_of_the_project.clear()
    couriers.dismiss()
    paces.clear()
    breakers.clear()
    with override_settings(MAILERS={"target": {"BACKEND": f"{__name__}.{kind.__name__}"}}):
        yield kind
    kind.handle = Target.__dict__["handle"] if kind is Target else None  # type: ignore[assignment]
    Target.handle = lambda self, subject: SENT  # type: ignore[method-assign]
    if "handle" in Sends.__dict__:
        del Sends.handle
    couriers.dismiss()
    for thread in threading.enumerate():
        if thread.name == "mailqueue-courier":
            thread.join(30)  # who was busy when its task ended
    connections.close()
    paces.clear()
    breakers.clear()


def lane(connections: int = FEW) -> Lane:
    options = QueueOptions(
        using="target", connections=connections, classifier=f"{__name__}.classify", ledger=None
    )
    return Lane.make("default", options)


def messages(number: int) -> list[EmailMessage]:
    return [EmailMessage(str(n), "b", "me@x.test", [f"{n}@x.test"]) for n in range(number)]


def known(useful: int = FEW) -> None:
    """Let the target be known, and one courier be there."""
    paces["target"].useful = useful
    couriers.release(couriers.hire(1))


def kinds(number: int, **options: Any) -> dict[int, Kind]:
    """Attempt so many; return what became of each, which has one recipient."""
    found: dict[int, Kind] = {}
    for index, answer in attempt(lane(), messages(number), **options):
        assert index not in found
        [(name, outcome)] = answer.value.items()
        assert name == f"{index}@x.test"
        found[index] = outcome.kind
    return dict(sorted(found.items()))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 10, 11])
def test_each_mail_goes_once_and_has_its_own_outcome(target: type[Target], number: int) -> None:
    odd = Outcome(kind=Kind.PERMANENT, stage=Stage.RECIPIENT, code=550)
    target.handle = lambda self, subject: odd if int(subject) % 2 else SENT
    known()
    expected = {n: Kind.PERMANENT if n % 2 else Kind.SENT for n in range(number)}
    assert kinds(number) == expected
    assert Counter(subject for _, subject in target.got) == Counter(map(str, range(number)))
    if target is Target:  # after an exception one is not used again
        assert len(target.opened) <= min(FEW, number)


def test_they_go_at_the_same_time(target: type[Target]) -> None:
    together = threading.Barrier(FEW, timeout=30)

    def meet(self: Target, subject: str) -> Outcome:
        together.wait()
        return SENT

    target.handle = meet
    known()
    assert set(kinds(2 * FEW).values()) == {Kind.SENT}
    assert len(target.opened) == FEW


def test_one_mail_uses_one_and_the_same(target: type[Target]) -> None:
    for _ in range(5):
        kinds(1)
    assert len(target.opened) == 1


def test_what_is_known_of_nothing_is_tried_with_one_mail(target: type[Target]) -> None:
    """So a target that is down, or a wrong password, is met once, not by each connection."""
    target.handle = lambda self, subject: REFUSED
    assert set(kinds(30).values()) == {Kind.RATE_LIMITED}
    assert target.got == [(1, "0")]


def test_threads_and_connections_do_not_become_more(target: type[Target]) -> None:
    known()
    kinds(30)
    for _ in range(20):
        paces["target"].useful = FEW
        kinds(30)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("mailqueue-courier") == FEW
    assert len(target.opened) == FEW


def test_one_that_hangs_delays_none_but_its_share(target: type[Target]) -> None:
    goes_on, hangs = threading.Event(), threading.Event()

    def hang(self: Target, subject: str) -> Outcome:
        if subject == "0":
            hangs.set()
            assert goes_on.wait(30)
        assert hangs.wait(30)
        return SENT

    target.handle = hang
    known()
    answers = attempt(lane(), messages(9))
    others = [next(answers)[0] for _ in range(6)]
    assert 0 not in others
    goes_on.set()
    assert sorted([*others, *(index for index, _ in answers)]) == list(range(9))


@pytest.mark.parametrize("count", [2, FEW])
def test_connections_that_a_relay_does_not_give_cost_no_mail(
    target: type[Target], count: int
) -> None:
    """What they were to carry goes over those that it gives, and no more are asked for."""
    refused = threading.Semaphore(0)

    def limited(self: Target, subject: str) -> Outcome:
        if self.number > 1:
            refused.release()
            return REFUSED
        if not [number for number, _ in self.got if number == 1][1:]:
            assert all(refused.acquire(timeout=30) for _ in range(count - 1))
        return SENT

    target.handle = limited
    known(count)
    envelopes = [envelope_for("a@x.test", number=n) for n in range(9)]
    results = list(deliver(envelopes, lane(count)))
    assert len(results) == 9
    assert all(each.again is None and not each.dead for each in results)
    assert breakers["target"].failures == 0
    before = len(target.got)
    assert set(kinds(9).values()) == {Kind.SENT}
    assert [number for number, _ in target.got[before:]] == [1] * 9


def test_where_all_are_refused_the_mailer_pauses_once_and_no_mail_is_charged(
    target: type[Target],
) -> None:
    told: list[Any] = []

    def note(**facts: Any) -> None:
        told.append(facts)

    signals.paused.connect(note)
    target.handle = lambda self, subject: REFUSED
    known()
    envelopes = [envelope_for("a@x.test", number=n) for n in range(9)]
    results = list(deliver(envelopes, lane()))
    signals.paused.disconnect(note)
    assert [each.again.attempts for each in results if each.again] == [0] * 9
    assert len(told) == 1
    assert breakers["target"].failures == 1
    assert len(target.got) <= (FEW * 3 if target is Target else FEW)


def test_one_that_is_told_to_slow_down_pauses_the_mailer_although_others_went(
    target: type[Target],
) -> None:
    """Not all that others have in hand is stopped; but their success does not end the pause."""
    slow, refused = threading.Event(), threading.Event()

    def limited(self: Target, subject: str) -> Outcome:
        if self.number == 1:
            if slow.is_set():
                refused.set()
                return REFUSED
            slow.set()
        else:
            assert refused.wait(30)
        return SENT

    target.handle = limited
    known(2)
    results = list(deliver([envelope_for("a@x.test", number=n) for n in range(8)], lane(2)))
    assert len(results) == 8
    assert 1 <= len([each for each in results if each.again]) < 8
    assert all(each.again.attempts == 0 for each in results if each.again)
    assert breakers["target"].failures == 1


def test_what_is_the_projects_stays_in_the_thread_of_the_task(target: type[Target]) -> None:
    failed = Outcome(kind=Kind.TRANSIENT, stage=Stage.DATA)
    target.handle = lambda self, subject: failed
    known()
    threads: set[threading.Thread] = set()

    def note(**facts: Any) -> None:
        threads.add(threading.current_thread())

    signals.attempted.connect(note)
    kinds(9)
    signals.attempted.disconnect(note)
    assert threads_of_the_project | threads <= {threading.current_thread()}
    assert (target is Target) != bool(threads_of_the_project)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_task_lets_nothing_more_go(
    target: type[Target], error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was let go before is known; each mail that goes was asked for."""
    goes_on, asked = threading.Event(), []
    begun = threading.Semaphore(0)
    asked_for = iter(range(100))

    def hang(self: Target, subject: str) -> Outcome:
        begun.release()
        assert goes_on.wait(30)
        return SENT

    def interrupted(self: Any) -> None:
        if target is Sends and next(asked_for) < FEW:
            return  # each tells first that it reports nothing
        assert all(begun.acquire(timeout=30) for _ in range(FEW))
        raise error

    def may_go(index: int, seconds: float) -> bool:
        asked.append(index)
        return True

    target.handle = hang
    known()
    monkeypatch.setattr(module.Watch, "__enter__", interrupted)
    before_it = set(threading.enumerate())
    with pytest.raises(error):
        list(attempt(lane(), messages(9), may_go=may_go))
    before = list(asked)
    goes_on.set()
    for thread in set(threading.enumerate()) - before_it:
        thread.join(30)  # who was busy ends, and closes its target
        assert not thread.is_alive()
    assert asked == before
    assert {subject for _, subject in target.got} <= set(map(str, before))


@pytest.mark.parametrize("target", [Asks], indirect=True)
def test_a_time_limit_leaves_in_doubt_only_what_was_under_way(
    target: type[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole batch came again, with what was sent, and on Redis as often as the limit came."""
    goes_on, begun = threading.Event(), threading.Semaphore(0)

    def hang(self: Target, subject: str) -> Outcome:
        begun.release()
        assert goes_on.wait(30)
        return SENT

    def interrupted(self: Any) -> None:
        assert all(begun.acquire(timeout=30) for _ in range(FEW))
        raise SoftTimeLimitExceeded

    target.handle = hang
    known()
    monkeypatch.setattr(module.Watch, "__enter__", interrupted)
    now = time.time()
    envelopes = [envelope_for(f"{n}@x.test", number=n, queued_at=now) for n in range(9)]
    settlements = list(deliver(envelopes, lane()))
    goes_on.set()
    assert {each.envelope.id for each in settlements} == {each.id for each in envelopes}
    again = [each.again for each in settlements if each.again]
    assert len(again) == len(settlements) == 9
    assert sum(each.resent for each in again) == FEW
    assert {each.attempts for each in again if not each.resent} == {0}


@pytest.mark.parametrize("target", [Asks], indirect=True)
def test_a_time_limit_charges_no_mail_that_was_not_begun(target: type[Target]) -> None:
    """Four of them made dead letters of mails that had never been handed over."""

    def over(self: Target) -> None:
        raise SoftTimeLimitExceeded

    envelopes = [envelope_for("a@x.test", number=n, queued_at=time.time()) for n in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "open", over)
        again = [each.again for each in deliver(envelopes, lane(connections=1))]
    assert [(each and each.attempts, each and each.resent) for each in again] == [(0, False)] * 3


@pytest.mark.parametrize("target", [Target], indirect=True)
def test_where_time_is_over_no_further_target_is_opened(
    target: type[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open it may have taken until after the end of the lease, and nothing would have gone."""
    monkeypatch.setattr(Target, "longest", lambda self: 50.0, raising=False)
    monkeypatch.setattr(Pace, "number", lambda self, mails, most: FEW)
    found = kinds(9, may_go=lambda index, seconds: index == 0)
    assert found == {0: Kind.SENT} | dict.fromkeys(range(1, 9), Kind.TRANSIENT)
    assert len(target.opened) == 1


def raise_value_error() -> float:
    raise ValueError("of the target, not of a message")


@pytest.mark.parametrize(
    "longest", [raise_value_error, lambda: "x", lambda: None, lambda: float("nan"), lambda: -1.0]
)
@pytest.mark.parametrize("target", [Target], indirect=True)
def test_a_target_that_tells_no_time_kills_no_mail(
    target: type[Target], monkeypatch: pytest.MonkeyPatch, longest: Callable[[], Any]
) -> None:
    monkeypatch.setattr(Target, "longest", lambda self: longest(), raising=False)
    assert kinds(3) == dict.fromkeys(range(3), Kind.CONFIGURATION)


def test_what_a_target_raises_to_end_the_process_does(target: type[Target]) -> None:
    def end(self: Target, subject: str) -> Outcome:
        raise SystemExit(3)

    target.handle = end
    known()
    with pytest.raises(SystemExit):
        kinds(9)


def test_with_one_connection_all_is_done_by_the_task_itself(target: type[Target]) -> None:
    threads: set[threading.Thread] = set()

    def note(self: Target, subject: str) -> Outcome:
        threads.add(threading.current_thread())
        return SENT

    target.handle = note
    found = [index for index, _ in attempt(lane(1), messages(5))]
    assert found == list(range(5))
    assert threads == {threading.current_thread()}
    assert not couriers.some


def test_mails_are_cut_into_pieces_that_are_nearly_equal() -> None:
    for number in range(12):
        for count in range(1, 5):
            pieces = list(split(range(number), count))
            assert [each for piece in pieces for each in piece] == list(range(number))
            assert len(pieces) == min(count, number)
            sizes = {len(piece) for piece in pieces}
            assert not sizes or max(sizes) - min(sizes) <= 1


def test_the_time_of_each_wait_for_a_courier_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The more a process waits, the more connections it opens: the last wait alone tells little."""
    clock, processor = iter([100.0, 103.0, 110.0, 114.0]), iter([1.0, 1.5, 2.0, 2.25])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module.time, "process_time", lambda: next(processor))
    watch = module.Watch()
    for _ in range(2):
        with watch:
            pass
    monkeypatch.undo()
    assert (watch.seconds, watch.computed) == (7.0, 0.75)
