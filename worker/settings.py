"""Django settings of a worker that has no project: everything comes from the environment.

==============================  =========================================================
``MAILQUEUE_BROKER_URL``        Redis, Valkey or RabbitMQ; default ``redis://127.0.0.1:6379/0``
``MAILQUEUE_SECRET_KEY``        SECRET_KEY of the project that sends (required)
``MAILQUEUE_SECRET_KEY_FALLBACKS``  older keys, a JSON array
``MAILQUEUE_VISIBILITY_TIMEOUT``    Redis: seconds until a dead worker's mail comes back
``MAILQUEUE_QUEUE``             name of the queue; default ``mailqueue``
``MAILQUEUE_MAILERS``           MAILERS as JSON, instead of the SMTP variables below
``MAILQUEUE_SMTP_HOST`` ...     ``HOST``, ``PORT``, ``USERNAME``, ``PASSWORD``, ``USE_TLS``,
                                ``USE_SSL``, ``TIMEOUT``: OPTIONS of the mailer that delivers
``MAILQUEUE_RETRY``             the ``retry`` option of the queue mailer, as JSON
``MAILQUEUE_METRICS_LISTEN``    where Prometheus may ask, such as ``127.0.0.1:9808``
==============================  =========================================================

What is wrong is an ImproperlyConfigured that names the variable.
"""

import json
import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured

env = os.environ
TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def wrong(name: str, expected: str, got: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} must be {expected}, got {got}")


def flag(name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value not in TRUE | FALSE:
        raise wrong(name, "1, true, yes or on, or else 0, false, no or off", repr(value))
    return value in TRUE


def number(name: str, kind: type[int | float]) -> float:
    try:
        return kind(env[name])
    except ValueError:
        raise wrong(name, "a number", repr(env[name])) from None


def parsed(name: str, kind: type, expected: str) -> Any:
    """Return what a variable holds as JSON; an error shows nothing of it, as it may be a secret."""
    try:
        value = json.loads(env[name])
    except json.JSONDecodeError as error:
        raise wrong(name, expected, f"no JSON: {error.msg} at character {error.pos}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; deep nesting
        raise wrong(name, expected, f"no JSON: {type(error).__name__}") from None
    if not isinstance(value, kind):
        raise wrong(name, expected, f"JSON of another kind, {type(value).__name__}")
    return value


def secret_key() -> str:
    if key := env.get("MAILQUEUE_SECRET_KEY"):
        return key
    raise wrong("MAILQUEUE_SECRET_KEY", "the SECRET_KEY of the project that sends", "none")


def older_keys() -> list[str]:
    """Return the fallbacks; a key may hold blanks and commas, so no separator will do."""
    name, expected = "MAILQUEUE_SECRET_KEY_FALLBACKS", 'a JSON array of keys, such as ["old key"]'
    if not env.get(name):
        return []
    keys: list[str] = parsed(name, list, expected)
    if not all(isinstance(key, str) and key for key in keys):
        raise wrong(name, expected, "an array with something else in it")
    return keys


def smtp_options() -> dict[str, Any]:
    options: dict[str, Any] = {
        "host": env.get("MAILQUEUE_SMTP_HOST", "localhost"),
        "use_tls": flag("MAILQUEUE_SMTP_USE_TLS"),
        "use_ssl": flag("MAILQUEUE_SMTP_USE_SSL"),
        "timeout": 30.0,
    }
    if env.get("MAILQUEUE_SMTP_TIMEOUT"):
        options["timeout"] = number("MAILQUEUE_SMTP_TIMEOUT", float)
    if env.get("MAILQUEUE_SMTP_PORT"):
        options["port"] = number("MAILQUEUE_SMTP_PORT", int)
    for name in ("username", "password"):
        if value := env.get(f"MAILQUEUE_SMTP_{name.upper()}"):
            options[name] = value
    return options


def queue_options() -> dict[str, Any]:
    options: dict[str, Any] = {"using": "smtp"}
    if queue := env.get("MAILQUEUE_QUEUE"):
        options["queue"] = queue
    if env.get("MAILQUEUE_RETRY"):
        options["retry"] = parsed("MAILQUEUE_RETRY", dict, "a JSON object")
    return options


def mailers() -> dict[str, Any]:
    if env.get("MAILQUEUE_MAILERS"):
        given: dict[str, Any] = parsed("MAILQUEUE_MAILERS", dict, "MAILERS as a JSON object")
        return given
    return {
        "default": {
            "BACKEND": "mailqueue.backends.queue.EmailBackend",
            "OPTIONS": queue_options(),
        },
        "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": smtp_options()},
    }


SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = older_keys()
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
if env.get("MAILQUEUE_METRICS_LISTEN"):
    INSTALLED_APPS.append("mailqueue.prometheus")
CELERY_BROKER_URL = env.get("MAILQUEUE_BROKER_URL") or "redis://127.0.0.1:6379/0"
MAILERS = mailers()
