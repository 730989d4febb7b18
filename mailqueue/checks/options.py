"""Checks of what an entry of MAILERS names: its backend, and the options of ours."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error

from mailqueue import compat
from mailqueue.backends import queue, smtp
from mailqueue.checks.entries import entries, made_of, written
from mailqueue.expectations import close, nearest
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class
from mailqueue.mail.using import fault

HARMLESS = (queue.EmailBackend, smtp.EmailBackend)
QUEUE = f"{queue.__name__}.EmailBackend"
BACKENDS = [QUEUE, *compat.BACKENDS.values(), *compat.BACKENDS]


def check_backends(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find what is no entry, and backends that cannot be imported."""
    well_formed = entries()
    found: list[CheckMessage] = []
    for alias, config in written().items():
        try:
            backend_class(alias, config)
        except InvalidMailer as error:
            hint = 'Write {"BACKEND": "path.of.a.Backend", "OPTIONS": {...}}.'
            if alias in well_formed:
                path = nearest(str(config["BACKEND"]), BACKENDS)[0]
                hint = f"Install what is missing, or write the path of a backend, such as {path!r}."
            found.append(Error(str(error), hint=hint, id="mailqueue.E006"))
    return found


def check_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find wrong options of our own mailers, as building them does."""
    found: list[CheckMessage] = []
    for alias, config in entries().items():
        if not made_of(alias, config, *HARMLESS) or fault(alias, written()):
            continue
        try:
            _ = mailers[alias]
        except InvalidMailer as error:
            hint = remedy(config, backend_class(alias, config).known_options())
            found.append(Error(str(error), hint=hint, id="mailqueue.E004"))
    return found


def remedy(config: Mapping[str, Any], known: list[str]) -> str:
    """Say what to write in the place of options that are unknown or wrong."""
    for name in config.get("OPTIONS", {}):
        if name not in known:
            meant = close(name, known)
            return f"Write {meant!r} in its place." if meant else f"Remove {name!r} from OPTIONS."
    return "Write what it must be; an option that is left out has its default."
