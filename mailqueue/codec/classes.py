"""Which class rendered a message, and the class that renders it so again. Pure."""

import copy
import dataclasses
import functools
from email.message import Message
from email.policy import EmailPolicy, Policy
from typing import Any

from django.core import mail as django_mail
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailqueue import mail
from mailqueue.errors import DecodeError

OURS = "mailqueue.mail"
DJANGOS = "django.core.mail"
APIS: dict[str, Any] = {"django": django_mail, "mailqueue": mail}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What the class of a message means for the wire.

    - ``api``: whose code renders it, "django" or "mailqueue" (they differ on Django 5.2).
    - ``multi``: it has alternatives.
    - ``renders``: it overrides `message()` or one of the methods that work for it.
    - ``addresses``: it overrides `recipients()`.
    """

    api: str
    multi: bool
    renders: bool
    addresses: bool


def traits(message: EmailMessage) -> Traits:
    """Return the traits of a message; methods set on the object itself count too."""
    cls: Any = type(message)
    of_class, hooks = _of_class(cls)
    own = vars(message)
    if hooks.isdisjoint(own) and "recipients" not in own:
        return of_class
    return dataclasses.replace(
        of_class,
        renders=of_class.renders or not hooks.isdisjoint(own),
        addresses=of_class.addresses or "recipients" in own,
    )


@functools.lru_cache(maxsize=256)
def _of_class(cls: type[EmailMessage]) -> tuple[Traits, frozenset[str]]:
    known = [base for base in cls.__mro__ if _is_known(base)]
    hooks = frozenset({"message"}.union(*map(_private_methods, known)))
    # A mixin overrides when it stands before any known class: super() may lead to it.
    last = max(cls.__mro__.index(base) for base in known)
    overriding = [base for base in cls.__mro__[:last] if base not in known]
    defined = {name for base in overriding for name in vars(base)}
    of_class = Traits(
        api="mailqueue" if any(base.__module__.startswith(OURS) for base in known) else "django",
        multi=issubclass(cls, EmailMultiAlternatives),
        renders=not hooks.isdisjoint(defined),
        addresses="recipients" in defined,
    )
    return of_class, hooks


def _is_known(cls: type) -> bool:
    return cls.__module__.startswith((OURS, DJANGOS))


def _private_methods(cls: type) -> set[str]:
    return {
        name
        for name, value in vars(cls).items()
        if name.startswith("_") and not name.startswith("__") and callable(value)
    }


def known_class(kind: Traits) -> type[Any]:
    """Return the class of Django's or ours whose code renders a message with these traits."""
    return _class(kind.api, kind.multi, False, False)


def blank_message(
    api: str, *, multi: bool, mime: Message | None = None, recipients: list[str] | None = None
) -> Any:
    """Return an empty message of one of the two mail APIs.

    With ``mime`` it renders that, with ``recipients`` it has those and no others.
    """
    if api not in APIS:
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
    base: type[Any] = getattr(APIS[api], name)
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
