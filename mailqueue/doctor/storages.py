"""Where large contents stay: something small is written there, read and deleted."""

import secrets
from collections.abc import Iterator

from mailqueue.doctor.finding import Finding
from mailqueue.errors import MailQueueError
from mailqueue.lanes import Lane
from mailqueue.wire.attachments import attachment_store


def look(lane: Lane) -> Iterator[Finding]:
    """Yield what is wrong with the storage of a lane."""
    alias = str(lane.options.attachments)
    try:
        store = attachment_store(alias, inline_limit=0, cipher=lane.keys.cipher)
        content = secrets.token_bytes(64)
        claim = store.keep(content)
        if claim is not None:
            try:
                same = store.fetch(claim) == content
            finally:
                store.discard([claim])
            if same:
                return
        problem = "what is read is not what was written"
    except MailQueueError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 (a storage raises what it likes)
        problem = f"a file cannot be written, read and deleted: {type(error).__name__}"
    yield Finding(
        id="storage-fails",
        about=f"STORAGES[{alias!r}]",
        problem=problem,
        cure="Let this process and the workers write, read and delete in the folder 'mailqueue'.",
    )
