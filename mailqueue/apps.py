"""The Django app."""

from django.apps import AppConfig


class MailqueueConfig(AppConfig):
    """Registers the system checks, and remembers the project's Celery app for other threads."""

    name = "mailqueue"
    verbose_name = "Mail queue"

    def ready(self) -> None:
        from mailqueue import checks, log, tasks  # noqa: F401 (they register themselves)
        from mailqueue.backends import queue  # noqa: F401 (the first mail does not wait for it)
        from mailqueue.broker.app import app_at_startup

        app_at_startup()
