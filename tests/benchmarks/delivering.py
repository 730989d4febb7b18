"""How fast mail arrives at a relay."""

from collections.abc import Iterator
from functools import partial
from statistics import median

from tests.benchmarks.bench import COMMON, MOST, Bench
from tests.benchmarks.figures import Figure, alternate, whole_steps
from tests.benchmarks.running import Running, Sink, Stage
from tests.benchmarks.systems import (
    System,
    celery_email,
    direct,
    fork,
    mailer,
    ours,
    post_office,
)

FORK = "django-celery-email-reboot"
PIPELINING = ("PIPELINING",)
CHUNKING = ("PIPELINING", "CHUNKING")


Compared = list[tuple[str, str, str]]  # name of the figure, our system, the other one


def delivered(
    bench: Bench,
    sink: Sink,
    systems: dict[str, Running],
    compared: Compared,
    *,
    do: str = "as_list",
    kind: str = COMMON,
    number: int | None = None,
    rounds: int | None = None,
) -> Iterator[Figure]:
    """Send and deliver, system by system; yield how their rates compare."""

    def rate(running: Running, mails: int) -> float:
        return mails / running.deliver(sink, do, kind, mails)

    cases = {}
    for name, running in systems.items():
        step = number or 2 * min(running.system.batch, bench.sizes.batch)
        rate(running, step)  # connections are made, classes are loaded
        first = rate(running, step)
        mails = number or whole_steps(first, bench.sizes.seconds, step, MOST)
        cases[name] = partial(rate, running, mails)
    seen = alternate(rounds or bench.sizes.rounds, cases)
    for name, mine, other in compared:
        peer = systems[other].system
        django = ", Django 5.2" if peer.django == "5.2" else ""
        yield Figure(
            name=name,
            unit="mails/s",
            ours=seen[mine],
            peer=peer.name + django,
            theirs=seen[other],
        )


def started(stage: Stage, sink: Sink, systems: dict[str, System]) -> dict[str, Running]:
    return {name: stage.start(each, sink=sink, workers=2) for name, each in systems.items()}


def lists(bench: Bench) -> Iterator[Figure]:
    """Deliver lists over loopback with two worker processes."""
    batch = bench.sizes.batch
    systems = {
        "alone": ours(batch),
        "default": ours(),
        "ledger": ours(batch, ledger="database"),
        "fork": fork(),
        "direct": direct(),
        "post_office": post_office(),
        "mailer": mailer(),
    }
    compared = [
        ("list: broker alone", "alone", "fork"),
        ("list: broker alone, default batch", "default", "fork"),
        ("list: ledger", "ledger", "fork"),
        ("list: ledger, of broker alone", "ledger", "alone"),
        ("list: broker alone, of Django without a queue", "alone", "direct"),
        ("list: ledger, of post_office", "ledger", "post_office"),
        ("list: ledger, of django-mailer", "ledger", "mailer"),
    ]
    with bench.stage() as stage:
        sink = stage.sink(0, *CHUNKING)
        running = started(stage, sink, systems)
        yield from delivered(bench, sink, running, compared)
        two = {name: running[name] for name in ("alone", "fork")}
        for kind, number in (("50 KB HTML", 4 * batch), ("1 MB attachment", min(20, 4 * batch))):
            pair = [(f"list: {kind}", "alone", "fork")]
            yield from delivered(bench, sink, two, pair, kind=kind, number=number)
    older = {"ours": ours(batch, django="5.2"), "peer": celery_email()}
    with bench.stage() as stage:
        sink = stage.sink(0, *CHUNKING)
        pair = [("list: broker alone, Django 5.2", "ours", "peer")]
        yield from delivered(bench, sink, started(stage, sink, older), pair)


def one_by_one(bench: Bench) -> Iterator[Figure]:
    """Deliver what `send_mail()` sent mail by mail, over loopback with two worker processes."""
    systems = {"alone": ours(), "ledger": ours(ledger="database"), "fork": fork()}
    compared = [
        ("one by one: broker alone", "alone", "fork"),
        ("one by one: ledger", "ledger", "fork"),
    ]
    with bench.stage() as stage:
        sink = stage.sink(0, *CHUNKING)
        running = started(stage, sink, systems)
        yield from delivered(bench, sink, running, compared, do="one_by_one")

        def lone(one: Running) -> float:
            times = [one.deliver(sink, "one_by_one", COMMON, 1) for _ in range(20)]
            return 1000 * median(times)

        cases = {name: partial(lone, one) for name, one in running.items()}
        seen = alternate(bench.sizes.rounds, cases)
    yield Figure(name="lone mail: broker alone", unit="ms", ours=seen["alone"])
    yield Figure(name="lone mail: ledger", unit="ms", ours=seen["ledger"])
    yield Figure(
        name="lone mail: broker alone, of the fork",
        unit="ms",
        ours=seen["alone"],
        peer=FORK,
        theirs=seen["fork"],
    )


def distance(bench: Bench) -> Iterator[Figure]:
    """Deliver lists to a relay that is 20 ms away, with two worker processes."""
    batch, connections = bench.sizes.batch, bench.sizes.connections
    systems = {
        "alone": ours(batch, connections=connections),
        "ledger": ours(batch, connections=connections, ledger="database"),
        "fork": fork(),
    }
    for offered in ((), PIPELINING, CHUNKING):
        title = f"20 ms, {offered[-1] if offered else 'nothing offered'}"
        compared = [
            (f"{title}: broker alone", "alone", "fork"),
            (f"{title}: ledger", "ledger", "fork"),
        ]
        with bench.stage() as stage:
            sink = stage.sink(20, *offered)
            running = started(stage, sink, systems)
            # It takes long, and varies little: most of it is waiting.
            rounds = min(3, bench.sizes.rounds)
            yield from delivered(bench, sink, running, compared, rounds=rounds)


def full_queue(bench: Bench) -> Iterator[Figure]:
    """Empty a full queue with one child and one connection; compare with smtplib alone."""
    for offered in ((), PIPELINING):
        with bench.stage() as stage:
            sink = stage.sink(0, *offered)
            one = stage.start(ours(bench.sizes.batch), sink=sink)
            rate = bare(one, sink, 100)
            mails = whole_steps(rate, bench.sizes.seconds, 2 * bench.sizes.batch, MOST)
            cases = {
                "ours": partial(emptied, one, sink, mails),
                "smtplib": partial(bare, one, sink, mails),
            }
            seen = alternate(bench.sizes.rounds, cases)
        yield Figure(
            name=f"full queue, one worker: {offered[-1] if offered else 'nothing offered'}",
            unit="mails/s",
            ours=seen["ours"],
            peer="smtplib, ready bytes",
            theirs=seen["smtplib"],
        )


def emptied(one: Running, sink: Sink, mails: int) -> float:
    """Return the rate of a new worker, from its first mail to its last."""
    before = sink.sent
    sink.sent += mails
    one.ask("as_list", kind=COMMON, number=mails)
    one.hire(1)
    ended = sink.when(sink.sent)
    one.wait()
    return (mails - 1) / (ended - sink.when(before + 1))


def bare(one: Running, sink: Sink, mails: int) -> float:
    sink.sent += mails
    answer = one.ask("smtplib_loop", kind=COMMON, number=mails, port=sink.port)
    return mails / float(answer["seconds"][0])
