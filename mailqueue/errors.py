"""Every error of the queue, in one tree.

    MailQueueError
      EncodeError                 to the caller: this message cannot be queued as it is
      PublishError                to the caller: the broker did not take it and nothing keeps it
      LedgerError                 in the worker: the ledger cannot be asked, nothing is sent
      DecodeError                 in the worker: the envelope becomes a dead letter, bytes kept
        UnsupportedVersion
        BadSignature
        AttachmentMissing
      TookTooLong                 in the worker: a dead letter instead of a worker that stands still
      DeliveryError               a backend may raise its two subclasses to say what a failure means
        TransientDeliveryError
        PermanentDeliveryError

Errors of configuration (``InvalidMailer``, ``MailerDoesNotExist``) are Django's and stay outside.
No text of these errors holds an address or content of a message.
"""


class MailQueueError(Exception):
    """Base of the errors of this package."""


class EncodeError(MailQueueError):
    """The message cannot be queued as it is; the text names the part."""


class PublishError(MailQueueError):
    """The broker did not confirm the messages in time; nothing keeps them but, perhaps, the broker.

    The text names the broker, its password masked. In Celery's eager mode there is none: the
    messages failed for now, and nothing is there to try again. ``queued`` is the number of messages
    that the broker had confirmed before.
    """

    def __init__(self, text: str, *, queued: int = 0) -> None:
        super().__init__(text)
        self.queued = queued


class LedgerError(MailQueueError):
    """The database of the ledger cannot be asked; what is in the table waits there."""


class DecodeError(MailQueueError):
    """What came from the broker is not an envelope that this version can read."""


class UnsupportedVersion(DecodeError):  # noqa: N818 (named after what is wrong, as in the design)
    """The envelope was written by a newer version of mailqueue."""


class BadSignature(DecodeError):  # noqa: N818
    """The envelope was not signed with one of our keys, or was altered."""


class AttachmentMissing(DecodeError):  # noqa: N818
    """A content that was kept in the attachment storage is gone or was altered."""


class TookTooLong(MailQueueError):  # noqa: N818 (named after what is wrong)
    """Making the message took more processor time than any sound one does."""


class DeliveryError(MailQueueError):
    """A target did not take a message."""

    def __init__(
        self,
        text: str = "",
        *,
        code: int | None = None,
        enhanced: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced
        self.retry_after = retry_after


class TransientDeliveryError(DeliveryError):
    """Try again later (RFC 5321 section 4.2.1: a 4yz reply)."""


class PermanentDeliveryError(DeliveryError):
    """Do not try again (RFC 5321 section 4.2.1: a 5yz reply)."""
