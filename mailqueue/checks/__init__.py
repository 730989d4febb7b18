"""System checks: the likeliest mistakes in what mail depends on.

They read settings and import backends. Of these they build only our own two that take options and
leave everything as it is: the queue's and SMTP's. None connects to a broker or a mail server, and
one asks the database, when Django's own database checks do.

entries   what checks see of MAILERS
chains    `using`, from a mailer to the one that delivers
options   what an entry names: its backend and its options
targets   what a mailer may not have where a queue delivers through it
legacy    EMAIL_BACKEND and its like, beside MAILERS or in its place
carriers  the broker that carries mail
times     times that must fit each other
migrated  the table of the ledger

What they import is imported when they run: a server runs none.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, register

TAG = "mail"  # Tags.mail from Django 6.1


@register(TAG)
def check_settings(**given: Any) -> list[CheckMessage]:
    """Find what is wrong with the settings of mail."""
    from mailqueue.checks import carriers, chains, legacy, options, targets, times

    return found(
        legacy.check_place,
        legacy.check_both,
        legacy.check_bridge,
        options.check_backends,
        options.check_options,
        chains.check_chains,
        targets.check_targets,
        carriers.check_broker,
        carriers.check_level,
        times.check_lease,
        times.check_visibility,
        **given,
    )


@register(TAG, deploy=True)
def check_deployment(**given: Any) -> list[CheckMessage]:
    """Find what is right in development alone (``check --deploy``)."""
    from mailqueue.checks import carriers, targets

    checks = carriers.check_eager, targets.check_production, targets.check_credentials
    return found(*checks, **given)


@register(Tags.database)
def check_database(**given: Any) -> list[CheckMessage]:
    """Find what is wrong with the table of the ledger."""
    from mailqueue.checks import migrated

    return migrated.check_table(**given)


def found(*checks: Callable[..., Sequence[CheckMessage]], **given: Any) -> list[CheckMessage]:
    """Return what these checks find."""
    return [message for check in checks for message in check(**given)]
