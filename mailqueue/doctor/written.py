"""What is wrong in the settings already: the system checks, ``--deploy`` among them."""

import re
from collections.abc import Iterator, Sequence

from django.core.checks import CheckMessage
from django.core.checks.registry import registry

from mailqueue.checks import TAG
from mailqueue.doctor.finding import Finding
from mailqueue.mail import mailers
from mailqueue.mail.using import reached

PLACE = re.compile(r"((?:MAILERS|DATABASES)\['(.+?)'\]): ")


def look(aliases: Sequence[str]) -> Iterator[Finding]:
    """Yield what the checks of mail find about these mailers, or about all."""
    entries = mailers.settings
    concerned = {*aliases, *(each for alias in aliases for each in reached(alias, entries))}
    for message in messages():
        place = PLACE.match(message.msg)
        if not message.is_silenced() and (place is None or place[2] in concerned):
            yield found(message)


def messages() -> Iterator[CheckMessage]:
    """Yield what the checks of mail say: first ours, for another may fail at what they tell."""
    checks = registry.get_checks(include_deployment_checks=True)
    of_mail = [check for check in checks if TAG in check.tags]
    for check in sorted(of_mail, key=lambda check: not check.__module__.startswith("mailqueue.")):
        yield from check(app_configs=None, databases=None)


def found(message: CheckMessage) -> Finding:
    """Return a system check's message as a finding."""
    place = PLACE.match(message.msg)
    return Finding(
        id=message.id or "check",
        about=place[1] if place else "settings",
        problem=message.msg[place.end() if place else 0 :],
        cure=message.hint or "",
    )
