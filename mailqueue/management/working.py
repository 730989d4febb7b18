"""Long work at a terminal: it shows how far it is, and may be interrupted between two parts."""

import importlib.util
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from types import FrameType


def counted(parts: Iterator[int], total: int | None) -> Iterator[int]:
    """Yield the parts of some work, and show how far it is, where there is a terminal and rich.

    Ctrl-C or SIGTERM ends it when the part in hand is done, as if there were no more.
    """
    with interruptible() as is_over, closing(parts):  # type: ignore[type-var]
        for part in progress(parts, total):
            yield part
            if is_over():
                raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C and SIGTERM instead of stopping wherever the process is."""
    asked = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def progress(parts: Iterable[int], total: int | None) -> Iterator[int]:
    if not (total and sys.stderr.isatty() and importlib.util.find_spec("rich")):
        yield from parts
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        for part in parts:
            bar.advance(task, part)
            yield part
