"""The base of our backends, and a good one for yours: the rules of Django 6.1 on every Django."""

import inspect
from collections.abc import Sequence
from typing import Any

from django.core.mail.backends import base

from mailqueue.expectations import meant
from mailqueue.mail.deprecation import warn_external_use
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.outcome.report import ReportsOutcomes as ReportsOutcomes

_NOT_GIVEN: Any = object()
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class BaseEmailBackend(base.BaseEmailBackend):
    """A backend; a subclass must have ``send_messages()``, and may have ``open()`` and ``close()``.

    A subclass that takes options names them in its ``__init__()`` and hands ``**kwargs`` on: what
    is left there is no option, and InvalidMailer says so. One that can tell what became of each
    recipient says ``reports_outcomes = True`` and has ``deliver()``, too (`ReportsOutcomes`).
    """

    alias: str | None

    # Whether ``deliver()`` tells what became of each recipient; see `ReportsOutcomes`.
    reports_outcomes: bool = False

    def __init__(
        self,
        fail_silently: Any = _NOT_GIVEN,
        *,
        alias: str | None = None,
        _ignore_unknown_kwargs: set[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # Not super().__init__(): up to 6.0 it knows no alias and swallows what is unknown.
        self.alias = alias
        self._fail_silently = False if fail_silently is _NOT_GIVEN else fail_silently
        if fail_silently is not _NOT_GIVEN:
            kwargs["fail_silently"] = fail_silently
        ignored = _ignore_unknown_kwargs or set()
        if unknown := [name for name in kwargs if name not in ignored]:
            self._report(unknown)

    @classmethod
    def known_options(cls) -> list[str]:
        """Return the names that OPTIONS may have: what each ``__init__()`` up to here names."""
        found: dict[str, None] = {}
        for each in cls.__mro__[: cls.__mro__.index(BaseEmailBackend)]:
            if "__init__" in vars(each):
                named = inspect.signature(vars(each)["__init__"]).parameters.values()
                found |= {one.name: None for one in named if one.kind not in _ANY}
        return [name for name in found if name not in ("self", "alias")]

    def _report(self, names: Sequence[str]) -> None:
        unknown = ", ".join(map(repr, names))
        if self.alias is not None:
            hint = meant(names, self.known_options())
            raise InvalidMailer(f"Unknown options {unknown}. {hint}", alias=self.alias)
        warn_external_use(
            f"{type(self).__module__}.{type(self).__qualname__}.__init__() does not support "
            f"{unknown}. In Django 2028, BaseEmailBackend will raise a TypeError "
            "for unknown keyword arguments.",
            through="mailqueue.backends.",
        )

    def __getattr__(self, name: str) -> Any:
        if name == "fail_silently":
            warn_external_use(
                "BaseEmailBackend.fail_silently is deprecated. A subclass "
                "that supports fail_silently must set its own attribute.",
                through="mailqueue.backends.",
            )
            return self._fail_silently
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
