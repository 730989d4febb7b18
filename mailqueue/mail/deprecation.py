"""What Django 6.1 deprecates: the texts, who is told, and which mixtures are refused.

Django's own helpers take this package for outside code, so its users would be told twice, and
about our lines instead of theirs.
"""

import functools
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from django.conf import settings

from mailqueue import compat

P = ParamSpec("P")
T = TypeVar("T")

INTERNAL = ("django.", "mailqueue.")

FAIL_SILENTLY_ARG_WARNING = (
    "The 'fail_silently' argument is deprecated. See 'Migrating email to "
    "mailers' in Django's documentation for recommended replacements."
)
AUTH_ARGS_WARNING = (
    "The 'auth_user' and 'auth_password' arguments are deprecated. Set "
    "'username' and 'password' OPTIONS in MAILERS instead."
)
CONNECTION_ARG_WARNING = (
    "The 'connection' argument is deprecated. Switch to the 'using' argument with a MAILERS alias."
)
NO_DEFAULT_MAILER_WARNING = (
    "Django 2028 will not have a default mailer. Configure "
    "settings.MAILERS to avoid errors when sending email."
)


def warn_external_use(message: str, *, through: str = "mailqueue.mail.") -> None:
    """Warn the caller of a feature deprecated in Django 6.1, unless it is Django or this package.

    Frames of modules under `through` belong to the feature itself.
    """
    level, frame = _first_frame(lambda name: not name.startswith(through))
    if not _name(frame).startswith(INTERNAL):
        warnings.warn(message, compat.DeprecatedIn61, stacklevel=level)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn, at the first line outside of Django and this package."""
    level, _ = _first_frame(lambda name: not name.startswith(INTERNAL))
    warnings.warn(message, category, stacklevel=level)


def warn_if_no_mailers() -> None:
    """Warn that a project without MAILERS will not send in Django 2028."""
    if not hasattr(settings, "MAILERS") and not compat.warned_at_start():
        warn_caller(NO_DEFAULT_MAILER_WARNING, compat.DeprecatedIn61)


def warn_about_arguments(
    connection: object = None,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
) -> None:
    """Warn about each deprecated argument that was given."""
    if fail_silently:
        warn_external_use(FAIL_SILENTLY_ARG_WARNING)
    if auth_user is not None or auth_password is not None:
        warn_external_use(AUTH_ARGS_WARNING)
    if connection is not None:
        warn_external_use(CONNECTION_ARG_WARNING)


def report_using_incompatibility(
    connection: object = None,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
) -> None:
    """Raise TypeError for arguments that cannot be given beside `using`."""
    if connection is not None:
        raise TypeError("'connection' is not compatible with 'using'.")
    if fail_silently:
        raise TypeError("'fail_silently' is not compatible with 'using'.")
    if auth_user is not None or auth_password is not None:
        raise TypeError(
            "'auth_user' and 'auth_password' are not compatible with 'using'. "
            "Set 'username' and 'password' OPTIONS in MAILERS instead."
        )


def report_connection_incompatibility(
    fail_silently: bool = False, auth_user: str | None = None, auth_password: str | None = None
) -> None:
    """Raise TypeError for arguments that cannot be given beside `connection`."""
    if fail_silently:
        raise TypeError(
            "fail_silently cannot be used with a connection. "
            "Pass fail_silently to get_connection() instead."
        )
    if auth_user is not None or auth_password is not None:
        raise TypeError(
            "auth_user and auth_password cannot be used with a connection. "
            "Pass auth_user and auth_password to get_connection() instead."
        )


def deprecate_posargs(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Take the keyword-only arguments `names` by position, too, and warn (Django 6.0)."""

    def decorator(func: Callable[P, T]) -> Callable[P, T]:
        positional: int = func.__code__.co_argcount
        label = func.__qualname__.removesuffix(".__init__")

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> T:
            if len(args) > positional:
                moved = _by_name(label, names, positional, args, kwargs)
                args, kwargs = args[:positional], kwargs | moved
            # Called without them in a variable: a crash reporter would show the mail.
            call = [functools.partial(func, *args, **kwargs)]
            del args, kwargs
            return call.pop()()

        return wrapper

    return decorator


def _by_name(
    label: str,
    names: tuple[str, ...],
    positional: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    extra = args[positional:]
    if len(extra) > len(names):
        raise TypeError(
            f"{label}() takes at most {positional + len(names)} positional "
            f"argument(s) (including {len(names)} deprecated) but {len(args)} were given."
        )
    moved = dict(zip(names, extra, strict=False))
    if twice := [repr(name) for name in moved if name in kwargs]:
        raise TypeError(
            f"{label}() got both deprecated positional and keyword "
            f"argument values for {', '.join(twice)}."
        )
    warn_caller(
        f"Passing positional argument(s) {', '.join(map(repr, moved))} to {label}() "
        "is deprecated. Use keyword arguments instead.",
        compat.DeprecatedIn60,
    )
    return moved


def _first_frame(wanted: Callable[[str], bool]) -> tuple[int, FrameType]:
    """Return the first calling frame of a `wanted` module, and its level for warnings.warn()."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and not wanted(_name(frame)):
        frame, level = frame.f_back, level + 1
    return level, frame


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '__main__')}."
