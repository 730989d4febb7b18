"""What mailqueue costs a process before there is any mail."""

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial

import psutil

from tests.benchmarks.bench import COMMON, Bench
from tests.benchmarks.delivering import CHUNKING
from tests.benchmarks.figures import Figure, alternate
from tests.benchmarks.running import Running
from tests.benchmarks.systems import Ledger, direct, ours

# A project that has tasks of its own has imported their class.
START = "import django; django.setup(); import django.core.mail, celery.app.task"


def footprint(bench: Bench) -> Iterator[Figure]:
    """Measure the start of a process, and the memory of a worker's children."""
    with bench.stage() as stage:
        sink = stage.sink()
        one, bare = stage.start(ours(), sink=sink), stage.start(direct(), sink=sink)
        cases = {"ours": partial(start_up, one), "bare": partial(start_up, bare)}
        alternate(1, cases)
        seen = alternate(3 * bench.sizes.rounds, cases)
        beyond = [mine - other for mine, other in zip(seen["ours"], seen["bare"], strict=True)]
        yield Figure(name="start-up: beyond Django and Celery", unit="ms", ours=beyond)
    yield from memory(bench, None)
    yield from memory(bench, "database")


def memory(bench: Bench, level: Ledger) -> Iterator[Figure]:
    """Measure the children of a worker after few mails, after many, and after ten times as many."""
    name, many = "ledger" if level else "broker alone", 2 * bench.sizes.together
    with bench.stage() as stage:
        sink = stage.sink(0, *CHUNKING)
        one = stage.start(ours(ledger=level), sink=sink, workers=2)
        one.deliver(sink, "one_by_one", COMMON, 20)
        yield Figure(name=f"memory: a child of a worker, {name}", unit="MB", ours=sizes(one))
        one.deliver(sink, "as_list", COMMON, many)
        before = sizes(one)
        for _ in range(9):
            one.deliver(sink, "as_list", COMMON, many)
        yield Figure(
            name=f"memory: a child after 20,000 mails, {name}",
            unit="MB",
            ours=sizes(one),
            peer=f"mailqueue, after {many:,} mails",
            theirs=before,
        )


def sizes(one: Running) -> list[float]:
    """Return the resident MB of each child of the worker."""
    [worker] = one.workers
    children = psutil.Process(worker.popen.pid).children()
    return [child.memory_info().rss / 2**20 for child in sorted(children, key=lambda one: one.pid)]


def start_up(one: Running) -> float:
    """Return the ms of a start; from the second on there is bytecode, as where pip installed it."""
    env = os.environ | one.env | {"PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    command = [str(one.python), "-c", START]
    subprocess.run(command, cwd=one.place.folder, env=env, check=True)
    return 1000 * (time.perf_counter() - began)
