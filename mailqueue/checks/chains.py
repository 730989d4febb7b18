"""Checks of `using`, along which mail goes from a mailer to the one that delivers."""

from typing import Any

from django.core.checks import CheckMessage, Error

from mailqueue.checks.entries import written
from mailqueue.expectations import nearest
from mailqueue.mail.using import named, reached


def check_chains(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find mailers whose `using` names no mailer, or leads back to them."""
    known = written()
    found: list[CheckMessage] = []
    for alias, config in known.items():
        for target in named(config):
            if target not in known:
                others = [each for each in nearest(target, known) if each != alias]
                instead = f", or write one of {others}" if others else ""
                found.append(
                    Error(
                        f"MAILERS[{alias!r}]: 'using' names {target!r}, which is not configured.",
                        hint=f"Add a {target!r} entry to MAILERS{instead}.",
                        id="mailqueue.E001",
                    )
                )
        if alias in reached(alias, known):
            found.append(
                Error(
                    f"MAILERS[{alias!r}]: 'using' leads back to {alias!r}; nothing would deliver.",
                    hint="Let 'using' name a mailer that delivers, such as an SMTP one.",
                    id="mailqueue.E002",
                )
            )
    return found
