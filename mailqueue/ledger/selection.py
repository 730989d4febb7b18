"""Which ledger a mailer's options ask for."""

from django.apps import apps
from django.core.cache import InvalidCacheBackendError, caches

from mailqueue.expectations import unexpected
from mailqueue.ledger.interface import DurableLedger, Ledger, NoLedger
from mailqueue.options import QueueOptions
from mailqueue.wire.signature import Keys

APP = "mailqueue.ledger"


def ledger_of(options: QueueOptions, keys: Keys) -> Ledger:
    """Return the ledger of a mailer; ValueError when its store is not configured."""
    if options.ledger == "database":
        return database_ledger(options, keys)
    if options.ledger == "cache":
        from mailqueue.ledger.cache import CacheLedger

        try:
            return CacheLedger(caches[options.cache], options)
        except InvalidCacheBackendError:
            raise unexpected("cache", options.cache, "an alias in CACHES") from None
    return NoLedger()


def database_ledger(options: QueueOptions, keys: Keys) -> DurableLedger:
    """Return the ledger in the database, whichever level the mailer uses now."""
    if not is_installed():
        raise ValueError(f"'ledger' \"database\" needs {APP!r} in INSTALLED_APPS")
    from mailqueue.ledger.database import DatabaseLedger

    return DatabaseLedger(options, keys)


def is_installed() -> bool:
    return apps.is_installed(APP)
