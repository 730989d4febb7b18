"""The systems that are compared, each at its own defaults but for where things are."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

Settings = dict[str, Any]
Ledger = Literal["database"] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a system works: its broker and queue, its database, and the port of the relay."""

    folder: Path
    broker: str
    queue: str
    port: int
    databases: Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class System:
    """A Django, packages, and settings.

    - ``settings``: what it needs besides those that all have.
    - ``batch``: mails that go to a worker together when a list is sent.
    - ``database``: whether it keeps mails in one.
    - ``queued``: whether a Celery worker delivers.
    - ``sender``: the management command, with options, that delivers instead.
    """

    name: str
    settings: Callable[[Place], Settings]
    django: str = "6.1"
    packages: tuple[str, ...] = ()
    batch: int = 10
    database: bool = False
    queued: bool = True
    sender: Callable[[Place], Mapping[str, Any]] | None = None


KEPT = {"CONN_MAX_AGE": 60}  # in production; Django has 0 for its own server


def settings_of(system: System, place: Place) -> Settings:
    """Return all settings of a project that uses the system."""
    common = {
        "SECRET_KEY": "only for benchmarks",
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": {alias: each | KEPT for alias, each in place.databases.items()},
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        "CELERY_BROKER_URL": place.broker,
        "CELERY_TASK_DEFAULT_QUEUE": place.queue,
    }
    return common | system.settings(place)


def ours(
    batch: int = 10, *, connections: int = 1, ledger: Ledger = None, django: str = "6.1"
) -> System:
    def settings(place: Place) -> Settings:
        options = {"using": "smtp", "queue": place.queue, "ledger": ledger}
        options |= {"batch_size": batch, "connections": connections}
        queue = {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": options}
        relay = {"host": "127.0.0.1", "port": place.port, "timeout": 30}
        smtp = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": relay}
        made: Settings = {
            "INSTALLED_APPS": ["mailqueue", *(["mailqueue.ledger"] if ledger else [])],
            "MAILERS": {"default": queue, "smtp": smtp},
        }
        if django < "6.1":
            made["EMAIL_BACKEND"] = "mailqueue.backends.mailers.EmailBackend"
        return made

    name = f"mailqueue, {'ledger' if ledger else 'broker alone'}, batch {batch}"
    name += f", {connections} connections" if connections > 1 else ""
    return System(
        name=name, settings=settings, django=django, batch=batch, database=ledger is not None
    )


def fork(*, confirms: bool = False) -> System:
    """django-celery-email-reboot, the fork that runs on Django 6."""

    def settings(place: Place) -> Settings:
        backend = "djcelery_email.backends.CeleryEmailBackend"
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        return {
            "INSTALLED_APPS": ["djcelery_email"],
            "MAILERS": {
                "default": {"BACKEND": backend, "OPTIONS": {"using": "smtp"}},
                "smtp": {"BACKEND": smtp, "OPTIONS": {"host": "127.0.0.1", "port": place.port}},
            },
            "CELERY_BROKER_TRANSPORT_OPTIONS": {"confirm_publish": True} if confirms else {},
        }

    name = "django-celery-email-reboot" + (", confirms" if confirms else "")
    return System(name=name, settings=settings, packages=("django-celery-email-reboot",))


def celery_email() -> System:
    """django-celery-email, which does not run on Django 6."""

    def settings(place: Place) -> Settings:
        return {
            "INSTALLED_APPS": ["djcelery_email"],
            "EMAIL_BACKEND": "djcelery_email.backends.CeleryEmailBackend",
            **relay(place),
        }

    package = "django-celery-email==3.0.*"
    return System(name="django-celery-email", settings=settings, django="5.2", packages=(package,))


def post_office() -> System:
    def settings(place: Place) -> Settings:
        return {
            "INSTALLED_APPS": ["post_office"],
            "EMAIL_BACKEND": "post_office.EmailBackend",
            **relay(place),
        }

    def sender(place: Place) -> Settings:
        lock = str(place.folder / "post_office")
        return {"name": "send_queued_mail", "processes": 2, "lockfile": lock}

    return System(
        name="django-post_office",
        settings=settings,
        packages=("django-post_office",),
        database=True,
        queued=False,
        sender=sender,
    )


def mailer() -> System:
    def settings(place: Place) -> Settings:
        return {
            "INSTALLED_APPS": ["mailer"],
            "EMAIL_BACKEND": "mailer.backend.DbBackend",
            **relay(place),
        }

    return System(
        name="django-mailer",
        settings=settings,
        packages=("django-mailer",),
        database=True,
        queued=False,
        sender=lambda place: {"name": "send_mail"},
    )


def direct() -> System:
    """Django's SMTP backend, without any queue."""

    def settings(place: Place) -> Settings:
        backend = "django.core.mail.backends.smtp.EmailBackend"
        options = {"host": "127.0.0.1", "port": place.port}
        return {
            "INSTALLED_APPS": [],
            "MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}},
        }

    return System(name="Django, no queue", settings=settings, queued=False)


def relay(place: Place) -> Settings:
    return {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": place.port}
