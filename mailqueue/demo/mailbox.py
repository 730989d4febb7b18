"""Where the demo's mails end: a folder of .eml files, or the dead letter queue."""

import itertools
import time
from pathlib import Path

from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import publisher
from mailqueue.demo.sink import Mail
from mailqueue.errors import DecodeError
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import keys_from_settings


class Mailbox:
    """Writes each mail to a file of its own, and remembers when the first and the last came."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.numbers = itertools.count(1)
        self.first = self.last = 0.0

    def keep(self, mail: Mail) -> None:
        number = next(self.numbers)
        (self.folder / f"{number:04}.eml").write_bytes(mail.content)
        self.last = time.perf_counter()
        self.first = self.first or self.last

    @property
    def seconds(self) -> float:
        return self.last - self.first


def dead_letters(queue: str) -> dict[str, str]:
    """Return the recipients of the dead letters, each with the reason."""
    return {
        recipient: f"{letter.reason} ({letter.code} {letter.enhanced or ''})".replace(" )", ")")
        for letter in peek(publisher(), queue=queue)
        for recipient in recipients(letter)
    }


def recipients(letter: DeadLetter) -> tuple[str, ...]:
    try:
        return unpack(letter.content, keys_from_settings()).recipients or ()
    except DecodeError:
        return ()
