"""The worker of `worker/settings.py`, as a deployment starts it."""

import sys

from mailqueue.demo.sink import Sink

KEY = "the key of sender and worker"


def environment(broker_url: str, queue: str, sink: Sink) -> dict[str, str]:
    """Return what makes it deliver from a queue to `sink`."""
    return {
        "MAILQUEUE_BROKER_URL": broker_url,
        "MAILQUEUE_SECRET_KEY": KEY,
        "MAILQUEUE_QUEUE": queue,
        "MAILQUEUE_SMTP_HOST": "127.0.0.1",
        "MAILQUEUE_SMTP_PORT": str(sink.port),
        "DJANGO_SETTINGS_MODULE": "worker.settings",
        "PYTHONPATH": ":".join(sys.path),
    }
