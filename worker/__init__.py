"""The smallest deployable worker: ``celery -A worker worker``.

Uses the project's settings when DJANGO_SETTINGS_MODULE names them, else `worker.settings`.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "worker.settings")
django.setup()

from mailqueue.broker.app import mail_app  # noqa: E402

app = mail_app()
app.set_current()
app.set_default()
app.autodiscover_tasks(["mailqueue"])
