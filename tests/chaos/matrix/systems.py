"""Who is asked: mailqueue at its two levels, and two systems that are known to lose mail."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from mailqueue.broker.app import worker_transport_options
from tests.benchmarks.running import DRIVER
from tests.benchmarks.systems import Place, fork
from tests.canaries import ENCRYPTION_KEY, PASSWORD, SIGNING_KEY
from tests.environments import environment_with

BARE, LEDGER = "broker alone", "ledger"
TIMES = {"timeout": 3, "deadline": 3, "final_timeout": 3}
LEASE = 17  # the shortest that workers start with beside these
VISIBLE_AGAIN = 8.0  # seconds after which Redis gives a dead worker's task to another
# The same where clocks differ: they must by less, or workers take each other's tasks for dead.
VISIBLE_LATE = 600.0
SIX_ONE = django.VERSION >= (6, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class System:
    """A system: its settings, the task that its messages name, and the Python that has it."""

    name: str
    task: str
    settings: Callable[[Place], dict[str, Any]]
    level: str = BARE
    python: Callable[[], Path] = lambda: Path(sys.executable)
    ours: bool = False


def settings_of(
    system: System, place: Place, visible_again: float = VISIBLE_AGAIN
) -> dict[str, Any]:
    """Return all settings of a project that uses the system; Redis is the same for all."""
    options = worker_transport_options(place.broker)
    redis = place.broker.startswith("redis")
    common = {
        "SECRET_KEY": SIGNING_KEY,
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": place.databases,
        "CELERY_BROKER_URL": place.broker,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TASK_DEFAULT_QUEUE": place.queue,
    }
    if redis:
        options["visibility_timeout"] = visible_again
        common["CELERY_BROKER_TRANSPORT_OPTIONS"] = options
    return common | system.settings(place)


def mailqueue(level: str) -> System:
    kept = "database" if level == LEDGER else None

    def settings(place: Place) -> dict[str, Any]:
        options = {"using": "smtp", "queue": place.queue, "ledger": kept, "lease": LEASE}
        options |= {"retry": {"schedule": [1], "jitter": 0}, "encryption_keys": [ENCRYPTION_KEY]}
        relay = {"host": "127.0.0.1", "port": place.port, "username": "u", "password": PASSWORD}
        made: dict[str, Any] = {
            "INSTALLED_APPS": ["mailqueue", *(["mailqueue.ledger"] if kept else [])],
            "MAILERS": {
                "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options},
                "smtp": {
                    "BACKEND": "mailqueue.backends.smtp.EmailBackend",
                    "OPTIONS": relay | TIMES,
                },
            },
        }
        if not SIX_ONE:
            made["EMAIL_BACKEND"] = "mailqueue.backends.mailers.EmailBackend"
        if place.broker.startswith("amqp"):
            made["CELERY_BROKER_TRANSPORT_OPTIONS"] = worker_transport_options(place.broker)
        return made

    return System(
        name="mailqueue", task="mailqueue.deliver", settings=settings, level=level, ours=True
    )


def plain() -> System:
    """A task of one's own that is acknowledged late and retries: `plain.py`."""
    backend = "tests.chaos.matrix.plain.EmailBackend"

    def settings(place: Place) -> dict[str, Any]:
        which: dict[str, Any] = {"EMAIL_BACKEND": backend}
        if SIX_ONE:
            smtp = "django.core.mail.backends.smtp.EmailBackend"
            options = {"host": "127.0.0.1", "port": place.port, "timeout": 10}
            queue = {"BACKEND": backend}
            which = {"MAILERS": {"default": queue, "smtp": {"BACKEND": smtp, "OPTIONS": options}}}
        more = {"CELERY_IMPORTS": ["tests.chaos.matrix.plain"], "RELAY_PORT": place.port}
        return which | more | {"INSTALLED_APPS": []}

    return System(name="a task of one's own", task="plain.deliver", settings=settings)


def reboot() -> System:
    """django-celery-email-reboot, from the index."""
    peer = fork()
    return System(
        name=peer.name,
        task="djcelery_email_send_multiple",
        settings=peer.settings,
        python=lambda: environment_with(peer.django, *peer.packages, DRIVER),
    )
