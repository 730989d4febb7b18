"""A Celery app for a project that has none: ``celery -A mailqueue.worker worker``.

DJANGO_SETTINGS_MODULE names the project's settings.
"""

import django

django.setup()

from mailqueue.broker.app import mail_app  # noqa: E402 (settings first)

app = mail_app()
app.set_current()
app.set_default()
app.autodiscover_tasks(["mailqueue"])
