"""The keys of the wire, from Django's settings: signing always, encryption if there are keys."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
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


def keys_from_settings(encryption_keys: Sequence[str] = ()) -> Keys:
    """Return keys that sign with SECRET_KEY and also verify by SECRET_KEY_FALLBACKS.

    ``encryption_keys`` are those of the mailer that packs. Raises ValueError for a bad one.
    """
    return Keys([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS], encryption_keys)


def worker_keys() -> Keys:
    """Return keys that open what any mailer of this project has packed.

    Whose envelope it is stands inside, so the worker tries the keys of all.
    """
    mailers: dict[str, Any] = getattr(settings, "MAILERS", {})
    found: dict[str, None] = {}
    for config in mailers.values():
        found |= dict.fromkeys(config.get("OPTIONS", {}).get("encryption_keys") or ())
    return keys_from_settings(list(found))
