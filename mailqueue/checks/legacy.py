"""Checks of EMAIL_BACKEND and its like, beside MAILERS or in its place."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from mailqueue import compat
from mailqueue.backends import mailers as bridge
from mailqueue.backends import queue
from mailqueue.checks.entries import entries, made_of
from mailqueue.checks.options import QUEUE
from mailqueue.mail import mailers

MAILERS = (
    f'MAILERS = {{"default": {{"BACKEND": "{QUEUE}", "OPTIONS": {{"using": "smtp"}}}}, '
    '"smtp": {"OPTIONS": {"host": ...}}}'
)
LINE = f'EMAIL_BACKEND = "{compat.BRIDGE}"'


def check_place(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find an EMAIL_BACKEND that names a backend which is for MAILERS, or needs it."""
    path = compat.email_backend()
    needs_mailers = () if mailers._is_configured else (bridge.EmailBackend,)
    if not made_of("", {"BACKEND": path}, queue.EmailBackend, *needs_mailers):
        return []
    bridged = "" if compat.HAS_MAILERS else f", and {LINE}"
    return [
        Error(
            f"EMAIL_BACKEND must be a backend that needs no entry of MAILERS, got {path!r}.",
            hint=f"Write in its place: {MAILERS}{bridged}.",
            id="mailqueue.E007",
        )
    ]


def check_both(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find EMAIL_* settings beside MAILERS; from 6.1 Django itself does not start with them."""
    try:
        _ = mailers.settings
    except ImproperlyConfigured as error:
        hint = "Remove them; what they say belongs into OPTIONS of an entry of MAILERS."
        return [Error(str(error), hint=hint, id="mailqueue.E008")]
    return []


def check_bridge(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Find a Django whose own functions know nothing of MAILERS, and are not led there."""
    led = compat.HAS_MAILERS or compat.email_backend() in (compat.BRIDGE, compat.LOCMEM)
    if led or not entries():
        return []
    return [
        CheckWarning(
            "MAILERS is not read by this Django's own functions: mail of django.core.mail, such as"
            " password resets and error mails, goes past it to a mail server on this machine.",
            hint=f"Add the line {LINE} (Django 6.1 needs none).",
            id="mailqueue.W004",
        )
    ]
