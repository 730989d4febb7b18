"""What a cell does beside all else, for as long as it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

EVERY = 0.5  # seconds


@contextmanager
def repeatedly(action: Callable[[], object]) -> Iterator[None]:
    """Do something again and again meanwhile, in a thread."""
    over = Event()

    def run() -> None:
        while not over.wait(EVERY):
            action()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
