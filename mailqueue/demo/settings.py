"""Django settings of the demo and of its workers; what a run decides is in the environment.

The ledger is in SQLite, so nothing needs to be installed. Its times are short, for a demo: a killed
worker's mail would wait for a quarter of an hour otherwise.
"""

import os

SECRET_KEY = os.environ["MAILQUEUE_DEMO_KEY"]
USE_TZ = True
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["MAILQUEUE_DEMO_DATABASE"],
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }
}
MAILERS = {
    "default": {
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {
            "using": "smtp",
            "queue": os.environ["MAILQUEUE_DEMO_QUEUE"],
            # Seconds instead of minutes: the greylisting of this server ends at once.
            "retry": {"schedule": [1, 2, 4]},
            "lease": 20,
            # One mail in hand: what a killed worker leaves in doubt.
            "batch_size": 1,
        },
    },
    "smtp": {
        "BACKEND": "mailqueue.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": "127.0.0.1",
            "port": int(os.environ["MAILQUEUE_DEMO_PORT"]),
            "timeout": 4,
            "deadline": 5,
        },
    },
}
