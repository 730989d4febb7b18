"""The entries of MAILERS as checks see them."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mailqueue.backends import queue
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class
from mailqueue.mail.using import Entries, named


def written() -> Mapping[str, Any]:
    """Return what MAILERS says, right or wrong; nothing where it is forbidden (E008)."""
    try:
        return mailers.settings
    except ImproperlyConfigured:
        return {}


def entries() -> Entries:
    """Return what of MAILERS is an entry; of the rest `check_backends` tells."""
    return {
        alias: config
        for alias, config in written().items()
        if isinstance(config, Mapping) and isinstance(config.get("OPTIONS", {}), Mapping)
    }


def targets() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the mailers that others use."""
    known = entries()
    used = {target for config in known.values() for target in named(config)}
    for alias, config in known.items():
        if alias in used:
            yield alias, config


def queueing() -> dict[str, Mapping[str, Any]]:
    """Return the mailers that queue."""
    return {
        alias: config
        for alias, config in entries().items()
        if made_of(alias, config, queue.EmailBackend)
    }


def made_of(alias: str, config: Mapping[str, Any], *classes: type) -> bool:
    """Tell whether the backend of an entry is one of these; one that is missing (E006) is none."""
    try:
        found = backend_class(alias, config)
    except InvalidMailer:
        return False
    return isinstance(found, type) and issubclass(found, classes)
