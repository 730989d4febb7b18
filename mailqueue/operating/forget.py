"""Erase what is kept about somebody: on the broker, and in the ledger."""

import dataclasses

from mailqueue.ledger.about import about, mailbox
from mailqueue.ledger.selection import is_installed
from mailqueue.operating.letters import letters, opened


@dataclasses.dataclass(kw_only=True, slots=True)
class Forgotten:
    """What was done to the mails to an address.

    - ``erased``: mails with an end whose row no longer tells of it;
    - ``deleted``: dead letters;
    - ``waiting``: mails still to be sent to it, which are left as they are;
    - ``unread``: mails that cannot be opened here, and may be to it.
    """

    erased: int = 0
    deleted: int = 0
    waiting: int = 0
    unread: int = 0


def forget(address: str) -> Forgotten:
    """Erase what is kept about an address; may be interrupted, and begun again.

    Raises `PublishError`, and what the database raises.
    """
    forgotten = Forgotten()
    for message, letter in letters():
        envelopes = opened(letter)
        forgotten.unread += not envelopes
        recipients = (each for envelope in envelopes for each in about(envelope).recipients)
        if mailbox(address) in map(mailbox, recipients):
            message.ack()
            forgotten.deleted += 1
    if is_installed():
        from mailqueue.ledger.forgetting import forget_kept  # models, so not before the apps

        for done in forget_kept(address):
            forgotten.erased += done.erased
            forgotten.deleted += done.deleted
            forgotten.waiting += done.waiting
            forgotten.unread += done.unread
    return forgotten
