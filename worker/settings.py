"""Django settings of a worker that has no project: everything comes from the environment.

==============================  =========================================================
``MAILQUEUE_BROKER_URL``        Redis, Valkey or RabbitMQ; default ``redis://127.0.0.1:6379/0``
``MAILQUEUE_SECRET_KEY``        SECRET_KEY of the project that sends (required)
``MAILQUEUE_SECRET_KEY_FALLBACKS``  older keys, separated by spaces
``MAILQUEUE_VISIBILITY_TIMEOUT``    Redis: seconds until a dead worker's mail comes back
``MAILQUEUE_QUEUE``             name of the queue; default ``mailqueue``
``MAILQUEUE_MAILERS``           MAILERS as JSON, instead of the SMTP variables below
``MAILQUEUE_SMTP_HOST`` ...     ``HOST``, ``PORT``, ``USERNAME``, ``PASSWORD``, ``USE_TLS``,
                                ``USE_SSL``, ``TIMEOUT``: OPTIONS of the mailer that delivers
``MAILQUEUE_RETRY``             the ``retry`` option of the queue mailer, as JSON
==============================  =========================================================
"""

import json
import os
from typing import Any

env = os.environ


def flag(name: str) -> bool:
    return env.get(name, "").lower() in {"1", "true", "yes", "on"}


def smtp_options() -> dict[str, Any]:
    options: dict[str, Any] = {
        "host": env.get("MAILQUEUE_SMTP_HOST", "localhost"),
        "use_tls": flag("MAILQUEUE_SMTP_USE_TLS"),
        "use_ssl": flag("MAILQUEUE_SMTP_USE_SSL"),
        "timeout": float(env.get("MAILQUEUE_SMTP_TIMEOUT", "30")),
    }
    if port := env.get("MAILQUEUE_SMTP_PORT"):
        options["port"] = int(port)
    for name in ("username", "password"):
        if value := env.get(f"MAILQUEUE_SMTP_{name.upper()}"):
            options[name] = value
    return options


def queue_options() -> dict[str, Any]:
    options: dict[str, Any] = {"using": "smtp"}
    if queue := env.get("MAILQUEUE_QUEUE"):
        options["queue"] = queue
    if retry := env.get("MAILQUEUE_RETRY"):
        options["retry"] = json.loads(retry)
    return options


SECRET_KEY = env.get("MAILQUEUE_SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env.get("MAILQUEUE_SECRET_KEY_FALLBACKS", "").split()
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
CELERY_BROKER_URL = env.get("MAILQUEUE_BROKER_URL") or "redis://127.0.0.1:6379/0"
MAILERS = (
    json.loads(env["MAILQUEUE_MAILERS"])
    if "MAILQUEUE_MAILERS" in env
    else {
        "default": {
            "BACKEND": "mailqueue.backends.queue.EmailBackend",
            "OPTIONS": queue_options(),
        },
        "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp_options()},
    }
)
