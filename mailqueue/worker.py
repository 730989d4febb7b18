"""A Celery app for a project that has none: ``celery -A mailqueue.worker worker``.

DJANGO_SETTINGS_MODULE names the project's settings.
"""

import django

django.setup()

from django.core.exceptions import ImproperlyConfigured  # noqa: E402 (settings first)

from mailqueue.broker.app import mail_app  # noqa: E402

try:
    app = mail_app()
except ImproperlyConfigured as error:
    raise SystemExit(f"mailqueue: {error}") from None
app.set_current()
app.set_default()
app.autodiscover_tasks(["mailqueue"])
