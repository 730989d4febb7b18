"""Where large contents stay while their mail travels, from Django's STORAGES."""

from django.core.files.storage import InvalidStorageError, storages

from mailqueue.options import QueueOptions
from mailqueue.wire.attachments import AttachmentStore
from mailqueue.wire.signature import Keys


def attachment_store(options: QueueOptions, keys: Keys) -> AttachmentStore | None:
    """Return the store of a mailer, for one call or one task; None if all travels inline.

    Raises ValueError for an alias that STORAGES does not have.
    """
    if options.attachments is None:
        return None
    try:
        storage = storages[options.attachments]
    except InvalidStorageError:
        raise ValueError(
            f"'attachments' must be an alias in STORAGES, got {options.attachments!r}"
        ) from None
    return AttachmentStore(storage, inline_limit=options.inline_limit, cipher=keys.cipher)
