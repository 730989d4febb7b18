"""The contents of a message. Pure.

Small ones travel in it or beside it, large ones stay in a storage, which is passed in.
"""

import email.message
import email.policy
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.codec.mime import encode_part, renders_itself
from mailqueue.errors import EncodeError
from mailqueue.wire.attachments import ClaimCheck

MOST_CONTENTS = 1000  # beside the JSON of one message

Keep = Callable[[bytes | str], ClaimCheck | None]


class Contents:
    """Collect what lies beside the JSON of one message: ``blobs`` and ``claims``.

    ``keep`` is asked for each content whether it has put that in a safe place.
    """

    def __init__(self, keep: Keep) -> None:
        self.blobs: list[bytes] = []
        self.claims: list[ClaimCheck] = []
        self._keep = keep

    def text(self, content: str) -> str | dict[str, int]:
        """Return the text, or where it is."""
        if (claim := self._keep(content)) is None:
            return content
        self._claim(claim)
        return {"text_claim": len(self.claims) - 1}

    def binary(self, content: bytes) -> dict[str, int]:
        """Return where the bytes are."""
        if (claim := self._keep(content)) is not None:
            self._claim(claim)
            return {"claim": len(self.claims) - 1}
        self.blobs.append(content)
        self._check_number()
        return {"blob": len(self.blobs) - 1}

    def part(self, part: email.message.Message, where: str) -> dict[str, Any]:
        """Return a MIME object as data."""
        return encode_part(part, where, self.text)

    def rendered(self, message: EmailMessage, where: str) -> Any:
        """Return the MIME of a message that renders itself."""
        mime: Any = message.message()
        if not isinstance(mime, email.message.Message):
            raise EncodeError(f"{where}: message() returned {type(mime).__name__}")
        if renders_itself(mime):
            modern = isinstance(mime.policy, email.policy.EmailPolicy)
            mime = message_from_bytes(
                mime.as_bytes(), policy=email.policy.default if modern else email.policy.compat32
            )
        return mime

    def _claim(self, claim: ClaimCheck) -> None:
        self.claims.append(claim)
        self._check_number()

    def _check_number(self) -> None:
        if len(self.blobs) + len(self.claims) > MOST_CONTENTS:
            raise EncodeError(f"message: attachments: more than {MOST_CONTENTS} contents")
