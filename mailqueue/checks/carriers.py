"""Checks of the broker that carries mail; nothing here connects to it."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from mailqueue.broker.support import broker_fault, is_eager, is_redis, no_broker
from mailqueue.checks.entries import queueing
from mailqueue.ledger.selection import APP, is_installed


def check_broker(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find mail that no broker can carry."""
    if not queueing():
        return []
    if missing := no_broker():
        hint = 'A broker is set by CELERY_BROKER_URL = "redis://..." or "amqp://...".'
        # It is often the environment that says which, and not each command has it.
        return [CheckWarning(missing, hint=hint, id="mailqueue.W005")]
    if wrong := broker_fault():
        hint = 'Write "redis://..." for Redis and Valkey, "amqp://..." for RabbitMQ.'
        return [Error(wrong, hint=hint, id="mailqueue.E009")]
    return []


def check_eager(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find Celery's eager mode, which is of use in development."""
    if not queueing() or not is_eager():
        return []
    return [
        CheckWarning(
            "task_always_eager must be False to queue mail, got True: each mail is sent where it"
            " is written, while the caller waits, and is not tried again.",
            hint="Remove CELERY_TASK_ALWAYS_EAGER, or task_always_eager of your Celery app.",
            id="mailqueue.W006",
        )
    ]


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
        for alias, config in queueing().items()
        if "ledger" not in config.get("OPTIONS", {})
    ]
