"""Queued email for Django: `send_mail()` returns at once, Celery workers deliver."""

__version__ = "0.1.0"
