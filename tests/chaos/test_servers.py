"""Servers whose answers go wrong: none makes a recipient "sent" who was not accepted."""

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import NamedTuple

from django.core.mail import EmailMessage

from mailqueue.backends.smtp import EmailBackend
from mailqueue.outcome.outcome import Kind, Outcomes
from tests.chaos.faulty import Faulty
from tests.chaos.seeds import chance, rounds

A_ROUND = 160
AT_ONCE = 16  # most of the time is waiting for answers that do not come
TIMEOUT = 0.3
LONGEST = 60.0  # seconds; whatever takes so long never ends


class Result(NamedTuple):
    kinds: Counter[Kind]
    faults: list[str]
    seconds: float


def test_none_is_sent_who_was_not_accepted() -> None:
    random = chance("servers")
    results: list[Result] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in rounds():
            seeds = [random.random() for _ in range(A_ROUND)]
            results += pool.map(lambda seed: run(Random(seed)), seeds)
    kinds = sum((result.kinds for result in results), Counter[Kind]())
    longest = max(result.seconds for result in results)
    print(f"{len(results)} servers, the slowest in {longest:.1f} s:", dict(kinds))
    faults = list(itertools.chain.from_iterable(result.faults for result in results))
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:5]])
    assert longest < LONGEST
    for kind in (Kind.SENT, Kind.PERMANENT, Kind.TRANSIENT, Kind.AMBIGUOUS):
        assert kinds[kind] > len(results) / 20  # else they were not met


def run(random: Random) -> Result:
    """Send some mails to one server; return what came of the recipients, and what was wrong."""
    names = itertools.count()
    messages = [message(random, names) for _ in range(random.choice([1, 1, 2, 3, 5]))]
    with Faulty(random) as server:
        backend = EmailBackend(
            alias="smtp",
            host="127.0.0.1",
            port=server.port,
            timeout=TIMEOUT,
            pipeline_window=random.choice([0, 1, 2, 10]),
        )
        start = time.monotonic()
        try:
            told = backend.deliver(messages)
        except Exception as error:  # noqa: BLE001 (none may)
            return Result(Counter(), [story(server, f"{type(error).__name__}: {error}")], 0.0)
        seconds = time.monotonic() - start
        faults = [story(server, fault) for fault in wrong(messages, told, server)]
    kinds = Counter(outcome.kind for outcomes in told for outcome in outcomes.values())
    return Result(kinds, faults, seconds)


def message(random: Random, names: "itertools.count[int]") -> EmailMessage:
    to = [f"to{next(names)}@example.test" for _ in range(random.choice([1, 1, 2, 4]))]
    body = random.choice(["Hello.", "Hällo.", ".\r\n..\r\n.", "long " * 5000])
    return EmailMessage("Subject", body, "from@example.test", to)


def wrong(messages: list[EmailMessage], told: list[Outcomes], server: Faulty) -> list[str]:
    expected = [sorted(each.recipients()) for each in messages]
    if [sorted(outcomes) for outcomes in told] != expected:
        return ["not one outcome for each recipient"]
    return [
        f"{name} was not accepted, and is said to be sent"
        for outcomes in told
        for name, outcome in outcomes.items()
        if outcome.kind is Kind.SENT and name not in server.accepted
    ]


def story(server: Faulty, fault: str) -> str:
    return "\n  ".join([fault, f"offers {server.extensions}", *server.log])
