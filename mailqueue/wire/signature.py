"""The keys of the wire, as given: signing always, encryption if there are keys for it."""

from collections.abc import Sequence

from django.core import signing

from mailqueue.errors import BadSignature
from mailqueue.wire.encryption import Cipher

SALT = "mailqueue.wire"  # keeps other signatures made with SECRET_KEY apart from these


class Keys:
    """The secrets of the wire: the first of each kind is used, the others still read.

    With ``encryption_keys`` (see `encryption.Cipher`) what is packed is encrypted, too.
    """

    def __init__(
        self, signing_keys: Sequence[str | bytes], encryption_keys: Sequence[str] = ()
    ) -> None:
        first, *fallbacks = signing_keys
        if not all(signing_keys):
            raise ValueError("a signing key is empty")
        self._signer = signing.Signer(key=first, fallback_keys=fallbacks, salt=SALT)
        self.cipher = Cipher(encryption_keys) if encryption_keys else None

    def __repr__(self) -> str:
        return "<Keys>"

    def sign(self, text: str) -> str:
        """Return the text with its signature."""
        return self._signer.sign(text)

    def verify(self, text: str) -> str:
        """Return the text without its signature; raise `BadSignature`."""
        try:
            return self._signer.unsign(text)
        except signing.BadSignature:
            raise BadSignature("not signed with one of our keys, or altered") from None
