"""The objects that the worker gets: the caller's class, or the mail API's, rendering the same."""

import copy
import functools
from email.message import Message
from email.policy import EmailPolicy, Policy
from importlib import import_module
from typing import Any

from mailqueue.errors import DecodeError

MODULES = {"django": "django.core.mail", "mailqueue": "mailqueue.mail"}


def rebuild(
    api: str, *, multi: bool, mime: Message | None = None, recipients: list[str] | None = None
) -> Any:
    """Return an empty message of one of the two mail APIs.

    With ``mime`` it renders that, with ``recipients`` it has those and no others.
    """
    if api not in MODULES:
        raise DecodeError("message: unknown api")
    cls = _class(api, multi, mime is not None, recipients is not None)
    message = cls(from_email="-")  # Else its settings are read; the caller sets the real one.
    if mime is not None:
        message._mime = mime
    if recipients is not None:
        message._recipients = recipients
    return message


@functools.cache
def _class(api: str, multi: bool, renders: bool, addresses: bool) -> type[Any]:
    name = "EmailMultiAlternatives" if multi else "EmailMessage"
    base: type[Any] = getattr(import_module(MODULES[api]), name)
    mixins: list[type] = []
    if renders:
        mixins.append(Rendered)
    if addresses:
        mixins.append(Addressed)
    return type(name, (*mixins, base), {"__module__": __name__}) if mixins else base


class Rendered:
    """A message that carries its MIME, because its class rendered itself."""

    _mime: Message

    def message(self, *, policy: Policy | None = None) -> Message:
        """Return a copy of the MIME; rendering gives it boundaries."""
        mime = copy.deepcopy(self._mime)
        if policy is not None:
            modern = isinstance(mime.policy, EmailPolicy)
            mime.policy = policy if modern else mime.policy.clone(linesep=policy.linesep)
        return mime


class Addressed:
    """A message whose class said itself who receives it."""

    _recipients: list[str]

    def recipients(self) -> list[str]:
        """Return the recipients that the sender's object named."""
        return list(self._recipients)
