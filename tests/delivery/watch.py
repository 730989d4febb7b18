"""What a reporter would find in the variables of our functions above each line of the log."""

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Watch(logging.Handler):
    """Collects the variables, written as reporters write them, and the functions they are of."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []
        self.functions: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        frame: Any = sys._getframe()
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module.startswith("mailqueue.") and not module.startswith("mailqueue.testing"):
                self.functions.add(frame.f_code.co_name)
                for name, value in frame.f_locals.items():
                    self.seen += [f"{frame.f_code.co_name} {name}={each}" for each in shown(value)]
            frame = frame.f_back


def shown(value: object, depth: int = 6) -> Iterator[str]:
    """Yield the texts that are sent of a value: mappings and sequences are walked through."""
    if depth and isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from shown(each, depth - 1)
    elif depth and isinstance(value, Iterable) and isinstance(value, list | tuple | set):
        for each in value:
            yield from shown(each, depth - 1)
    else:
        yield repr(value)
