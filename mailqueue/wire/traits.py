"""Tell a message that Django renders from one that renders itself."""

import dataclasses
import functools
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives

OURS = "mailqueue.mail"
DJANGOS = "django.core.mail"


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
