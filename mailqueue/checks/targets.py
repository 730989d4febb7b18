"""Checks of mailers that deliver: what hides failures, waits for ever, or is no production."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.mail.backends import console as django_console
from django.core.mail.backends import dummy as django_dummy
from django.core.mail.backends import locmem as django_locmem
from django.core.mail.backends import smtp as django_smtp

from mailqueue import compat
from mailqueue.backends import console, dummy, locmem, smtp
from mailqueue.checks.entries import entries, made_of, targets
from mailqueue.mail.handler import DEFAULT_MAILER_ALIAS

NO_TIMEOUT = (django_smtp.EmailBackend,)  # unless one is set; ours has a default
SMTP = (smtp.EmailBackend, django_smtp.EmailBackend)
DEVELOPMENT = (
    console.EmailBackend,
    dummy.EmailBackend,
    locmem.EmailBackend,
    django_console.EmailBackend,
    django_dummy.EmailBackend,
    django_locmem.EmailBackend,
)


def check_targets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find targets that hide failures, or may keep a worker waiting for ever."""
    found: list[CheckMessage] = []
    for alias, config in targets():
        options = config.get("OPTIONS", {})
        if options.get("fail_silently"):
            found.append(
                CheckWarning(
                    f"MAILERS[{alias!r}]: 'fail_silently' hides failed deliveries from the queue.",
                    hint="Remove it: the queue needs the error to know what to send again.",
                    id="mailqueue.W001",
                )
            )
        if made_of(alias, config, *NO_TIMEOUT) and options.get("timeout") is None:
            found.append(
                CheckWarning(
                    f"MAILERS[{alias!r}]: without 'timeout' a silent server stops a worker.",
                    hint="Set the 'timeout' option, in seconds.",
                    id="mailqueue.W002",
                )
            )
    return found


def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find backends that deliver nothing where mail is meant to be delivered."""
    used = dict(targets())
    default = entries().get(DEFAULT_MAILER_ALIAS)
    if default is not None and not _seen_by_django(default):
        used[DEFAULT_MAILER_ALIAS] = default
    return [
        Error(
            f"MAILERS[{alias!r}]: {config['BACKEND']} is for development and delivers nothing.",
            hint="Use a backend for production, such as the SMTP one.",
            id="mailqueue.E003",
        )
        for alias, config in used.items()
        if made_of(alias, config, *DEVELOPMENT)
    ]


def check_credentials(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find passwords and tokens that anybody on the way to the mail server can read."""
    return [
        CheckWarning(
            f"MAILERS[{alias!r}]: without 'use_tls' or 'use_ssl' its {secret!r} goes to"
            f" {config['OPTIONS'].get('host')!r} in plain text.",
            hint="Add 'use_tls': True (STARTTLS, port 587) or 'use_ssl': True (port 465).",
            id="mailqueue.W008",
        )
        for alias, config in entries().items()
        if made_of(alias, config, *SMTP) and (secret := exposed(config.get("OPTIONS", {})))
    ]


def exposed(options: Mapping[str, Any]) -> str:
    """Return the option that is a secret and travels in plain text; "" if none does."""
    if options.get("use_tls") or options.get("use_ssl") or is_here(str(options.get("host"))):
        return ""
    if not options.get("username"):  # without it nobody logs in
        return ""
    return next((name for name in ("password", "oauth_token") if options.get(name)), "")


def is_here(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _seen_by_django(config: Mapping[str, Any]) -> bool:
    """Tell whether Django's own check (mail.E001) looks at this backend of the default mailer."""
    return compat.HAS_MAILERS and config.get("BACKEND") in compat.BACKENDS
