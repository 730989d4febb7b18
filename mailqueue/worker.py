"""A Celery app for a project that has none: ``celery -A mailqueue.worker worker``.

DJANGO_SETTINGS_MODULE names the project's settings. Where these cannot be used it ends in one line.
"""

import os

import django
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured

from mailqueue.broker.app import MailApp, mail_app


def started() -> MailApp:
    """Start Django, and return the app; `SystemExit` says what is wrong with the settings."""
    module = os.environ.get(ENVIRONMENT_VARIABLE, "")
    expected = f"mailqueue: {ENVIRONMENT_VARIABLE} must name the settings of the project"
    if not (module or settings.configured):
        raise SystemExit(f"{expected}, got none")
    try:
        django.setup()
        return mail_app()
    except ImproperlyConfigured as error:
        raise SystemExit(f"mailqueue: {error}") from None
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise SystemExit(f"{expected}, got {module!r}: {error}") from None


app = started()
app.set_current()
app.set_default()
app.autodiscover_tasks(["mailqueue"])
