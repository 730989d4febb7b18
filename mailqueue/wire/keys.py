"""The keys of this process, from Django's settings."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from mailqueue.wire.signature import Keys


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
