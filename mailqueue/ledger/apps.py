"""The Django app of the database level."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """One table, ``mailqueue_ledger_entry``."""

    name = "mailqueue.ledger"
    label = "mailqueue_ledger"
    verbose_name = "Mail queue ledger"
    default_auto_field = "django.db.models.BigAutoField"
