"""Who listens to the log of a run."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ID = re.compile(r" [0-9a-f]{32}\b| Message-ID \S+")
# What may hide a defect of ours.
HIDING = ("A window failed", "A ring was not answered", "A batch became a dead letter")


class Listener(logging.Handler):
    """Tells what the log says, and notes what no log should say."""

    def __init__(self, tell: Callable[[str], None], defects: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.tell, self.defects = tell, defects

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.tell(f"the log says: {ID.sub('', text)}")
        if text.startswith(HIDING) and "SoftTimeLimitExceeded" not in text:
            self.defects.append(text)


@contextmanager
def listening(tell: Callable[[str], None], defects: list[str]) -> Iterator[None]:
    """Hear what the package says, and let nobody else hear it."""
    logger = logging.getLogger("mailqueue")
    django = logging.getLogger("django.db.backends.base")  # logs what functions on commit raise
    handler, propagates, is_off = Listener(tell, defects), logger.propagate, django.disabled
    logger.addHandler(handler)
    logger.propagate, django.disabled = False, True
    try:
        yield
    finally:
        logger.propagate, django.disabled = propagates, is_off
        logger.removeHandler(handler)
