"""Entries of MAILERS."""

QUEUE = "mailqueue.backends.queue.EmailBackend"
GOOD = {"host": "x", "timeout": 10}


def queue(using, **options):
    return {"BACKEND": QUEUE, "OPTIONS": {"using": using, "ledger": None} | options}


def smtp(**options):
    return {"OPTIONS": GOOD | options}


def backend(name, package="mailqueue"):
    return {"BACKEND": f"{package}.backends.{name}.EmailBackend"}


def djangos(**options):
    return backend("smtp", "django.core.mail") | smtp(**options)
