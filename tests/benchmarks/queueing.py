"""What sending costs the process that sends: to render, to queue one mail, to queue a list."""

from collections.abc import Iterator
from functools import partial
from statistics import median

from tests.benchmarks.bench import COMMON, MOST, Bench
from tests.benchmarks.figures import Figure, alternate, percentile, whole_steps
from tests.benchmarks.running import Running
from tests.benchmarks.systems import fork, mailer, ours


def render(bench: Bench) -> Iterator[Figure]:
    """Render messages in one process, as Django's SMTP backend does and as ours does."""
    with bench.stage() as stage:
        client = stage.start(ours())
        for kind in ("2 KB text", COMMON, "50 KB HTML", "1 MB attachment"):

            def rate(by: str, number: int, kind: str = kind) -> float:
                [seconds] = client.ask("render", kind=kind, number=number, by=by)["seconds"]
                return number / float(seconds)

            cases = {}
            for by in ("mailqueue", "Django"):
                rate(by, 2)  # classes are loaded
                number = whole_steps(rate(by, 2), bench.sizes.seconds / 10, 2, MOST)
                cases[by] = partial(rate, by, number)
            seen = alternate(2 * bench.sizes.rounds, cases)
            yield Figure(
                name=f"render: {kind}",
                unit="mails/s",
                ours=seen["mailqueue"],
                peer="Django",
                theirs=seen["Django"],
            )


def send_mail(bench: Bench) -> Iterator[Figure]:
    """Measure how long `send_mail()` blocks; nobody delivers meanwhile."""
    redis, rabbitmq = bench.services.redis, bench.services.rabbitmq
    ledger = ours(ledger="database")
    with bench.stage() as stage:
        start = partial(stage.start, broker=redis)
        yield from blocking(bench, "Redis", start(ours()), start(fork()))
        yield from blocking(bench, "ledger", start(ledger), start(mailer()))
        start = partial(stage.start, broker=rabbitmq)
        mine = start(ours())
        both = "RabbitMQ, both with confirms"
        yield from blocking(bench, both, mine, start(fork(confirms=True)))
        yield from blocking(bench, "RabbitMQ, only ours with confirms", mine, start(fork()))


def blocking(bench: Bench, name: str, mine: Running, other: Running) -> Iterator[Figure]:
    calls: dict[str, list[list[float]]] = {"ours": [], "theirs": []}

    def block(who: str, running: Running) -> float:
        answer = running.ask("one_by_one", kind=COMMON, number=bench.sizes.calls)
        calls[who].append([1000 * each for each in answer["seconds"]])
        running.purge()
        return 0.0

    for running in (mine, other):
        running.ask("one_by_one", kind=COMMON, number=10)
        running.purge()
    alternate(
        bench.sizes.rounds,
        {"ours": partial(block, "ours", mine), "theirs": partial(block, "theirs", other)},
    )
    for of, value in (("median", median), ("p99", partial(percentile, percent=99))):
        yield Figure(
            name=f"send_mail(): {name}, {of}",
            unit="ms",
            ours=[value(each) for each in calls["ours"]],
            peer=other.system.name,
            theirs=[value(each) for each in calls["theirs"]],
        )


def send_messages(bench: Bench) -> Iterator[Figure]:
    """Measure how long queueing a list blocks, a mail; nobody delivers meanwhile."""
    number = bench.sizes.together

    def block(running: Running) -> float:
        [seconds] = running.ask("as_list", kind=COMMON, number=number)["seconds"]
        running.purge()
        return 1000 * float(seconds) / number

    with bench.stage() as stage:
        systems = {
            "alone": ours(bench.sizes.batch),
            "default": ours(),
            "ledger": ours(bench.sizes.batch, ledger="database"),
            "fork": fork(),
            "mailer": mailer(),
        }
        cases = {name: partial(block, stage.start(each)) for name, each in systems.items()}
        alternate(1, cases)
        seen = alternate(bench.sizes.rounds, cases)
    for name, mine, other in (
        ("broker alone", "alone", "fork"),
        ("broker alone, default batch", "default", "fork"),
        ("ledger", "ledger", "mailer"),
    ):
        yield Figure(
            name=f"send_messages(): {name}",
            unit="ms",
            ours=seen[mine],
            peer=systems[other].name,
            theirs=seen[other],
        )
