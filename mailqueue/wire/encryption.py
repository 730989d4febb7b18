"""Authenticated encryption of what travels: AES-256-GCM (NIST SP 800-38D), keys in rotation.

Nothing of an envelope stays outside; the version and the purpose are bound as associated data.
Needs the extra ``mailqueue[encryption]``.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Any

from mailqueue.errors import DecodeError
from mailqueue.expectations import unexpected

NONCE = 12  # bytes; random, so a key should not see more than 2**32 messages
KEY = 32


class Cipher:
    """Encrypt with the first key, decrypt with any.

    A key is 32 random bytes in URL-safe base64. Raises ValueError for another, and when the
    `cryptography` package is missing.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = [_aesgcm(_key(key)) for key in keys]

    def encrypt(self, plain: bytes, purpose: bytes) -> bytes:
        """Return nonce, ciphertext and tag; only the same purpose opens it again."""
        nonce = os.urandom(NONCE)
        sealed: bytes = self._ciphers[0].encrypt(nonce, plain, purpose)
        return nonce + sealed

    def decrypt(self, sealed: bytes, purpose: bytes) -> bytes:
        """Return what was encrypted; raise `DecodeError` when no key opens it."""
        from cryptography.exceptions import InvalidTag

        for cipher in self._ciphers:
            try:
                plain: bytes = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], purpose)
            except (InvalidTag, ValueError):
                continue
            return plain
        raise DecodeError("no encryption key opens it")


def _key(text: object) -> bytes:
    try:
        key = base64.b64decode(str(text), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not isinstance(text, str) or len(key) != KEY:
        raise unexpected(
            "encryption_keys", text, f"{KEY} bytes in URL-safe base64 each", secret=True
        )
    return key


def _aesgcm(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ValueError(
            "'encryption_keys' needs the extra: pip install 'mailqueue[encryption]'"
        ) from None
    return AESGCM(key)
