"""Where the demo's mails end: a folder of .eml files, or the dead letters of the ledger."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from mailqueue.demo.sink import Mail
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


def dead_letters() -> dict[str, str]:
    """Return the recipients of the dead letters, each with the reason."""
    from mailqueue.ledger.models import Entry, State  # models, so not before the apps

    return {
        recipient: f"{letter.reason} ({letter.code or ''} {letter.enhanced})".replace(" )", ")")
        for letter in Entry.objects.filter(state=State.DEAD)
        for recipient in recipients(letter.payload)
    }


def recipients(payload: str) -> Sequence[str]:
    """Return those whom a dead letter of the demo would have gone to; it has no Cc and no Bcc."""
    envelope = unpack(payload, keys_from_settings())
    return envelope.recipients or envelope.message["to"]
