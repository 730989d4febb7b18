"""Settings of the test suite; a test that needs others overrides them."""

import django

SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_FROM_EMAIL = "webmaster@example.test"
MAILERS = {
    "default": {
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {"using": "smtp", "ledger": None},
    },
    "smtp": {
        "BACKEND": "mailqueue.backends.smtp.EmailBackend",
        "OPTIONS": {"host": "127.0.0.1", "port": 1, "timeout": 5},
    },
}
if django.VERSION < (6, 0):
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
