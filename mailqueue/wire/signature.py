"""The keys of the wire, from Django's settings: signing always, encryption if there are keys."""

from collections.abc import Sequence
from functools import lru_cache
from hmac import HMAC, compare_digest
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from mailqueue.errors import BadSignature
from mailqueue.wire.encryption import Cipher

SALT = "mailqueue.wire"  # keeps other signatures made with SECRET_KEY apart from these
PROOF = "mailqueue.proof."  # begins the salts of proofs, which sign nothing


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
        self._signing_keys = (first, *fallbacks)
        self.cipher = Cipher(encryption_keys) if encryption_keys else None

    def __repr__(self) -> str:
        return "<Keys>"

    def sign(self, text: str) -> str:
        """Return the text, which is ASCII, with the signature that Django's `Signer` makes."""
        return f"{text}:{signature(text, self._signing_keys[0])}"

    def verify(self, text: str) -> str:
        """Return the text without its signature; raise `BadSignature`."""
        signed, _, claimed = text.rpartition(":")
        keys = self._signing_keys if text.isascii() else ()
        if any(compare_digest(claimed, signature(signed, key)) for key in keys):
            return signed
        raise BadSignature("not signed with one of our keys, or altered")

    def digest(self, text: str, salt: str) -> str:
        """Return a keyed hash of a text, 32 hexadecimal digits."""
        return digest(text, salt, self._signing_keys[0])

    def digests(self, text: str, salt: str) -> list[str]:
        """Return the keyed hashes of a text under each key that signs or verifies."""
        return [digest(text, salt, key) for key in self._signing_keys]


def signature(text: str, key: str | bytes) -> str:
    """Return the signature that Django's `Signer` makes of a text in ASCII."""
    code = hmac_of(key, f"{SALT}signer").copy()
    code.update(text.encode("ascii"))
    return signing.b64_encode(code.digest()).decode("ascii")


def digest(text: str, salt: str, key: str | bytes) -> str:
    code = hmac_of(key, salt).copy()
    code.update(text.encode())
    return code.hexdigest()[:32]


@lru_cache
def hmac_of(key: str | bytes, salt: str) -> HMAC:
    """Return what a keyed hash begins as: to derive its key takes as long as to hash a mail."""
    return salted_hmac(salt, "", secret=key, algorithm="sha256")


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


def proofs(challenge: str, encryption_keys: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return for each kind of key the proofs of what packs here, and of what opens.

    A proof is an HMAC (RFC 2104) of the challenge: who has no such key learns nothing by it.
    ``encryption_keys`` are those of each mailer.
    """
    kinds: dict[str, list[Sequence[str | bytes]]] = {
        "signing": [[settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]],
        "encryption": [keys for keys in encryption_keys if keys],
    }
    return {
        kind: {
            "packs": sorted({proof(kind, challenge, keys[0]) for keys in mailers}),
            "opens": sorted({proof(kind, challenge, key) for keys in mailers for key in keys}),
        }
        for kind, mailers in kinds.items()
    }


def proof(kind: str, challenge: str, key: str | bytes) -> str:
    return salted_hmac(PROOF + kind, challenge, secret=key, algorithm="sha256").hexdigest()
