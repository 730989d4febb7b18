"""The Celery app, where ``celery -A worker`` looks for it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "worker.settings")

from mailqueue.worker import app as app
