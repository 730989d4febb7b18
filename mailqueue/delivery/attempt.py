"""Hand mails to the target of a lane, over as many open targets at once as are of use.

The task's own thread gives out shares, judges what comes back and runs what is the project's; a
courier does nothing but hand over. What one open target does not take for the mailer's sake, as
where a relay gives a client no more connections, goes to another one that works.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from queue import SimpleQueue

from django.core.mail import EmailMessage

from mailqueue.delivery.answers import Answer, answers_of, untried
from mailqueue.delivery.couriers import Courier, TasksOwn, couriers
from mailqueue.delivery.pace import Pace
from mailqueue.delivery.target import MayGo, Told, hand_over, hand_over_one
from mailqueue.lanes import Lane
from mailqueue.opaque import Opaque
from mailqueue.outcome.outcome import LATE, Outcome, is_mailers

# By target. Each worker process learns for itself.
paces: defaultdict[str, Pace] = defaultdict(Pace)

Numbered = tuple[int, Answer]  # with the number of the message


@dataclass(slots=True, eq=False)
class Share:
    """Mails, by their numbers, that one courier is given together.

    ``refusal`` is what became of all where the target took none, for the mailer's sake.
    """

    numbers: Sequence[int]
    singly: bool = False
    refusal: Sequence[Numbered] = ()


def attempt(
    lane: Lane,
    messages: Sequence[EmailMessage],
    *,
    may_go: MayGo = lambda index, seconds: True,
) -> Iterator[Numbered]:
    """Yield what became of each message, per recipient, with its number, as soon as that is known.

    `may_go` is asked from whichever thread hands over, one at a time, and not once this has ended.
    What was refused for the mailer's sake comes last.
    """
    return Attempt(lane, messages, may_go).run()


class Attempt:
    """One attempt at some mails: what is to be given out, what is out, and what came back."""

    def __init__(self, lane: Lane, messages: Sequence[EmailMessage], may_go: MayGo) -> None:
        self.lane, self.using, self.may_go = lane, lane.options.using, may_go
        # Asked before: a target may change the messages that it is given.
        self.mails = [(message, Opaque(message.recipients())) for message in messages]
        self.waiting: deque[Share] = deque()
        self.out: dict[Courier, Share] = {}
        # Those whose targets have taken something, and those whose targets take nothing.
        self.working: set[Courier] = set()
        self.turned_away: set[Courier] = set()
        self.back: SimpleQueue[tuple[Courier, Told | BaseException]] = SimpleQueue()
        self.refused: list[Share] = []  # that another target may take
        self.last: list[Numbered] = []
        self.failed: Outcome | None = None  # why nothing more is handed over
        self.longest = 0.0  # seconds that one mail may take, once a target has said so
        self._lock, self._over = threading.Lock(), False

    def run(self) -> Iterator[Numbered]:
        most, pace = self.lane.options.connections, paces[self.using]
        numbers = range(len(self.mails))
        try:
            if most == 1:
                yield from self.handed_over(numbers, [TasksOwn()])
            else:
                if not (pace.useful and couriers.some):  # the first mail shows
                    yield from self.spread(numbers[:1], 1)
                    numbers = numbers[1:]
                if numbers:
                    yield from self.spread(numbers, pace.number(len(numbers), most))
            yield from self.last
        finally:
            with self._lock:
                self._over = True

    def spread(self, numbers: Sequence[int], count: int) -> Iterator[Numbered]:
        """Let so many couriers hand over; learn whether more, or fewer, are of use."""
        hired, watch, pace = couriers.hire(count), Watch(), paces[self.using]
        try:
            yield from self.handed_over(numbers, hired, watch)
        finally:
            for courier in hired:
                if courier in self.out:
                    courier.leave()
            free = [courier for courier in hired if courier not in self.out]
            couriers.release(sorted(free, key=lambda courier: courier in self.turned_away))
        if self.working and self.turned_away:
            pace.refused(len(hired) - len(self.turned_away))
        elif self.failed is None:
            pace.note(len(hired), seconds=watch.seconds, computed=watch.computed)

    def handed_over(
        self, numbers: Sequence[int], hired: Sequence[Courier], watch: "Watch | None" = None
    ) -> Iterator[Numbered]:
        """Give out the mails, and yield what came back."""
        self.waiting.extend(Share(each) for each in split(numbers, len(hired)))
        idle = deque(hired)
        while True:
            while self.waiting and idle and self.failed is None:
                share = self.waiting.popleft()
                if (yield from self.timely(share)):
                    self.give(idle.popleft(), share)
            if not self.out:
                break
            with watch or nullcontext():
                courier, told = self.back.get()
            share = self.out.pop(courier)
            if isinstance(told, BaseException):
                raise told
            if (yield from self.judged(courier, share, told, alone=len(hired) == 1)):
                idle.append(courier)
            if idle:
                self.waiting.extend(self.refused)
                self.refused.clear()
        self.give_up()

    def timely(self, share: Share) -> Generator[Numbered, None, bool]:
        """Yield what would be late: to open a target takes time. Return whether any is not."""
        if not self.longest:
            return True
        with self._lock:
            late = list(
                takewhile(lambda number: not self.may_go(number, self.longest), share.numbers)
            )
        yield from ((number, untried(self.mails[number][1], LATE)) for number in late)
        share.numbers, share.refusal = share.numbers[len(late) :], share.refusal[len(late) :]
        return bool(share.numbers)

    def give(self, courier: Courier, share: Share) -> None:
        messages = [self.mails[number][0] for number in share.numbers]

        def may_go(index: int, seconds: float) -> bool:
            with self._lock:
                return not self._over and self.may_go(share.numbers[index], seconds)

        def job() -> None:
            told: Told | BaseException
            if self._over:
                return  # nobody waits for it, and no target need be opened
            try:
                if share.singly:
                    told = hand_over_one(self.using, messages[0], may_go)
                else:
                    told = hand_over(self.using, messages, may_go)
            except BaseException as error:  # noqa: BLE001 (it is raised in the task's own thread)
                told = error
            self.back.put((courier, told))

        self.out[courier] = share
        courier.give(job)

    def judged(
        self, courier: Courier, share: Share, told: Told, *, alone: bool
    ) -> Generator[Numbered, None, bool]:
        """Yield what is settled; return whether the target that told it may be given more."""
        if not (told.reporting or share.singly):
            singles = [Share([number], singly=True) for number in share.numbers]
            self.waiting.extendleft(reversed(singles))
            return True
        self.longest = max(self.longest, told.longest)
        mails = [self.mails[number] for number in share.numbers]
        answers = list(zip(share.numbers, answers_of(self.lane, mails, told), strict=True))
        taken = list(dropwhile(is_refused, reversed(answers)))[::-1]
        yield from taken
        if taken:
            self.working.add(courier)
        if not (refusal := answers[len(taken) :]):
            return True
        if alone or courier in self.working or share.refusal:
            self.last += refusal
            self.failed = cause_of(refusal)
        else:
            self.turned_away.add(courier)
            share.refusal = refusal
            self.refused.append(share)
        return False

    def give_up(self) -> None:
        """Put off what was refused for good, and untried what follows from that."""
        for share in (*self.refused, *self.waiting):
            if share.refusal:
                self.failed = self.failed or cause_of(share.refusal)
                self.last += share.refusal
            elif self.failed is not None:
                for number in share.numbers:
                    self.last.append((number, untried(self.mails[number][1], self.failed)))
        self.refused.clear()
        self.waiting.clear()


class Watch:
    """The time that went by while couriers were waited for, and the processor time in it."""

    def __init__(self) -> None:
        self.seconds = self.computed = 0.0

    def __enter__(self) -> None:
        self.seconds -= time.monotonic()
        self.computed -= time.process_time()

    def __exit__(self, *exc_info: object) -> None:
        self.seconds += time.monotonic()
        self.computed += time.process_time()


def split(numbers: Sequence[int], count: int) -> Iterator[Sequence[int]]:
    """Cut into so many pieces, nearly equal, none empty."""
    each, more = divmod(len(numbers), count)
    start = 0
    for index in range(min(count, len(numbers))):
        end = start + each + (index < more)
        yield numbers[start:end]
        start = end


def is_refused(numbered: Numbered) -> bool:
    """Tell whether a mail was refused for the mailer's sake, to any of its recipients."""
    return any(map(is_mailers, numbered[1].value.values()))


def cause_of(refusal: Sequence[Numbered]) -> Outcome:
    return next(each for each in refusal[0][1].value.values() if is_mailers(each))
