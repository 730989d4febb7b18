"""What is noted on an exception about the place where it was raised. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Put on what was raised before any message was named.
IN_OPENING = "_mailqueue_in_opening"
# Put by a client of ours on what it raises after a whole message was written.
ANSWER_LOST = "_mailqueue_answer_lost"
TIME_LIMIT = "SoftTimeLimitExceeded"  # Celery's, for the whole task
# These may come anywhere, and say nothing of the place where they came.
_ANYWHERE = frozenset({"MemoryError", "RecursionError", TIME_LIMIT})


@contextmanager
def opening() -> Iterator[None]:
    """Mark what is raised inside: the target was being made or opened, no message was named."""
    try:
        yield
    except Exception as error:
        if not _ANYWHERE.intersection(names(error)):
            _mark(error, IN_OPENING)
        raise


def answer_lost(error: BaseException) -> None:
    """Mark an error as one behind which a whole message was written, without its answer."""
    _mark(error, ANSWER_LOST)


def is_time_limit(error: BaseException) -> bool:
    """Tell whether an error says that the time of a whole task is over."""
    return TIME_LIMIT in names(error)


def names(error: BaseException) -> Iterator[str]:
    """Yield the names of the classes of an error: what raises it need not be imported."""
    return (kind.__name__ for kind in type(error).__mro__)


def _mark(error: BaseException, mark: str) -> None:
    with suppress(Exception):  # one that takes no attribute
        setattr(error, mark, True)
