"""The smallest project that delivers: ``celery -A worker worker``.

Its settings come from the environment, see `worker.settings`; DJANGO_SETTINGS_MODULE may name
others.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "worker.settings")

from mailqueue.worker import app as app
