"""Django settings of the demo and of its workers; what a run decides is in the environment."""

import os

SECRET_KEY = os.environ["MAILQUEUE_DEMO_KEY"]
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
MAILERS = {
    "default": {
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {
            "using": "smtp",
            "queue": os.environ["MAILQUEUE_DEMO_QUEUE"],
            # Seconds instead of minutes: the greylisting of this server ends at once.
            "retry": {"schedule": [1, 2, 4]},
        },
    },
    "smtp": {
        "BACKEND": "mailqueue.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": "127.0.0.1",
            "port": int(os.environ["MAILQUEUE_DEMO_PORT"]),
            "timeout": 30,
        },
    },
}
