"""Which ledger a mailer has."""

from typing import TYPE_CHECKING, Literal

from django.apps import apps

from mailqueue.options import QueueOptions
from mailqueue.wire.signature import Keys, keys_from_settings

if TYPE_CHECKING:
    from mailqueue.ledger.database import DatabaseLedger

APP = "mailqueue.ledger"


def ledger_of(mailer: str, options: QueueOptions, keys: Keys) -> "DatabaseLedger | None":
    """Return the ledger of a mailer, None at the bare level; ValueError if it is not installed."""
    return None if options.ledger is None else database_ledger(mailer, options, keys)


def database_ledger(mailer: str, options: QueueOptions, keys: Keys) -> "DatabaseLedger":
    """Return the ledger of a mailer, whichever level it has now: what is kept stays kept."""
    if not is_installed():
        raise ValueError(f"'ledger' \"database\" needs {APP!r} in INSTALLED_APPS")
    from mailqueue.ledger.database import DatabaseLedger  # a model, so not before the apps

    return DatabaseLedger(mailer, options, keys)


def unconfigured_ledger(mailer: str) -> "DatabaseLedger":
    """Return the ledger of a mailer that is not in MAILERS any more, with all defaults."""
    return database_ledger(mailer, QueueOptions(using=mailer), keys_from_settings())


def default_level() -> Literal["database"] | None:
    """Return the level of a mailer that names none."""
    return "database" if is_installed() else None


def is_installed() -> bool:
    """Tell whether this project has the ledger."""
    return apps.is_installed(APP)
