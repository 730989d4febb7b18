"""System checks of MAILERS, along `using` from a mailer to the target that delivers.

They read settings and import backends. Of these they build only our own two that take options
and leave everything as it is: the queue's and SMTP's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.mail.backends import console as django_console
from django.core.mail.backends import dummy as django_dummy
from django.core.mail.backends import locmem as django_locmem
from django.core.mail.backends import smtp as django_smtp

from mailqueue import compat
from mailqueue.backends import console, dummy, locmem, queue, smtp
from mailqueue.backends.using import Entries, fault, named, reached
from mailqueue.broker.queues import is_redis
from mailqueue.delivery.times import lease_fault
from mailqueue.lanes import lanes
from mailqueue.ledger.selection import APP, is_installed
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import DEFAULT_MAILER_ALIAS, backend_class

TAG = "mail"  # Tags.mail from Django 6.1
NO_TIMEOUT = (django_smtp.EmailBackend,)  # unless one is set; ours has a default
HARMLESS = (queue.EmailBackend, smtp.EmailBackend)
DEVELOPMENT = (
    console.EmailBackend,
    dummy.EmailBackend,
    locmem.EmailBackend,
    django_console.EmailBackend,
    django_dummy.EmailBackend,
    django_locmem.EmailBackend,
)


@register(TAG)
def check_chains(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find mailers whose `using` names no mailer, or leads back to them."""
    entries = mailers.settings
    found: list[CheckMessage] = []
    for alias, config in entries.items():
        for target in named(config):
            if target not in entries:
                found.append(
                    Error(
                        f"MAILERS[{alias!r}]: 'using' names {target!r}, which is not configured.",
                        hint=f"Add a {target!r} entry to MAILERS.",
                        id="mailqueue.E001",
                    )
                )
        if alias in reached(alias, entries):
            found.append(
                Error(
                    f"MAILERS[{alias!r}]: 'using' leads back to {alias!r}; nothing would deliver.",
                    hint="Let 'using' name a mailer that delivers, such as an SMTP one.",
                    id="mailqueue.E002",
                )
            )
    return found


@register(TAG)
def check_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find wrong options of our own mailers, as building them does."""
    found: list[CheckMessage] = []
    for alias, config in mailers.settings.items():
        if not _is(alias, config, HARMLESS) or fault(alias, mailers.settings):
            continue
        try:
            _ = mailers[alias]
        except InvalidMailer as error:
            hint = "See the options in mailqueue's reference."
            found.append(Error(str(error), hint=hint, id="mailqueue.E004"))
    return found


@register(TAG)
def check_targets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find targets that hide failures, or may keep a worker waiting for ever."""
    found: list[CheckMessage] = []
    for alias, config in _targets(mailers.settings):
        options = config.get("OPTIONS", {})
        if options.get("fail_silently"):
            found.append(
                CheckWarning(
                    f"MAILERS[{alias!r}]: 'fail_silently' hides failed deliveries from the queue.",
                    hint="Remove it: the queue needs the error to know what to send again.",
                    id="mailqueue.W001",
                )
            )
        if _is(alias, config, NO_TIMEOUT) and options.get("timeout") is None:
            found.append(
                CheckWarning(
                    f"MAILERS[{alias!r}]: without 'timeout' a silent server stops a worker.",
                    hint="Set the 'timeout' option, in seconds.",
                    id="mailqueue.W002",
                )
            )
    return found


@register(TAG, deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find backends that deliver nothing where mail is meant to be delivered."""
    entries = mailers.settings
    used = dict(_targets(entries))
    default = entries.get(DEFAULT_MAILER_ALIAS)
    if default is not None and not _seen_by_django(default):
        used[DEFAULT_MAILER_ALIAS] = default
    return [
        Error(
            f"MAILERS[{alias!r}]: {config['BACKEND']} is for development and delivers nothing.",
            hint="Use a backend for production, such as the SMTP one.",
            id="mailqueue.E003",
        )
        for alias, config in used.items()
        if _is(alias, config, DEVELOPMENT)
    ]


@register(TAG)
def check_times(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find leases that end while a mail may still be on its way."""
    try:
        known = lanes()
    except InvalidMailer:  # told by `check_options`
        return []
    return [
        Error(
            f"MAILERS[{alias!r}]: {fault}.",
            hint="Another worker would send the mail again, while the first one still does.",
            id="mailqueue.E005",
        )
        for alias, lane in known.items()
        if (fault := lease_fault(lane))
    ]


@register(TAG)
def check_level(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find mail that Redis alone keeps."""
    if is_installed() or not is_redis():
        return []
    return [
        CheckWarning(
            f"MAILERS[{alias!r}]: Redis alone keeps its mail, and kombu may lose some of it.",
            hint=f"Add {APP!r} to INSTALLED_APPS and migrate, or use RabbitMQ; or say that it may "
            "be lost with 'ledger': None.",
            id="mailqueue.W003",
        )
        for alias, config in mailers.settings.items()
        if _is(alias, config, (queue.EmailBackend,)) and "ledger" not in config.get("OPTIONS", {})
    ]


def _targets(entries: Entries) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the mailers that others use."""
    used = {target for config in entries.values() for target in named(config)}
    for alias, config in entries.items():
        if alias in used:
            yield alias, config


def _is(alias: str, config: Mapping[str, Any], classes: tuple[type, ...]) -> bool:
    try:
        found = backend_class(alias, config)
    except InvalidMailer:  # told when it is used
        return False
    return isinstance(found, type) and issubclass(found, classes)


def _seen_by_django(config: Mapping[str, Any]) -> bool:
    """Tell whether Django's own check (mail.E001) looks at this backend of the default mailer."""
    return compat.HAS_MAILERS and config.get("BACKEND") in compat.BACKENDS
