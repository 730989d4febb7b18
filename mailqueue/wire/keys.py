"""The keys of this process, from Django's settings."""

from django.conf import settings

from mailqueue.wire.envelope import Keys


def keys_from_settings() -> Keys:
    """Return keys that sign with SECRET_KEY and also verify by SECRET_KEY_FALLBACKS."""
    return Keys([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
