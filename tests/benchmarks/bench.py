"""How much is measured, and what a part of the benchmarks is given."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.running import Services, Stage

COMMON = "2 KB text+HTML"  # the mail that is measured where no other is named
MOST = 10_000  # mails at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured.

    - ``calls``: calls of `send_mail()` a round.
    - ``together``: mails in the list of which only the queueing is measured.
    - ``seconds``: how long the delivery of a round shall take.
    - ``batch``: the `batch_size` where it is not the default.
    - ``connections``: the same of `connections`, where the relay is far away.
    - ``rows``: mails in a table that is large; ``few`` in one that is small.
    """

    rounds: int
    calls: int
    together: int
    seconds: float
    batch: int
    connections: int
    rows: int
    few: int


WHOLE = Sizes(
    rounds=5,
    calls=400,
    together=1000,
    seconds=3,
    batch=100,
    connections=16,
    rows=1_000_000,
    few=1000,
)
QUICK = Sizes(
    rounds=2, calls=10, together=20, seconds=0.1, batch=2, connections=2, rows=2000, few=100
)


@dataclasses.dataclass(frozen=True)
class Bench:
    """What a part is given."""

    services: Services
    folder: Path
    sizes: Sizes

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        with ExitStack() as stack:
            stage = Stage(self.services, self.folder, stack)
            yield stage
            stage.dismiss()
