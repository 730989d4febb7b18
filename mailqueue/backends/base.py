"""The base of our backends, and a good one for yours: the rules of Django 6.1 on every Django."""

from typing import Any

from django.core.mail.backends import base

from mailqueue.mail.deprecation import warn_external_use
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.outcome.report import ReportsOutcomes as ReportsOutcomes

_NOT_GIVEN: Any = object()


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
        if unknown := ", ".join(repr(name) for name in kwargs if name not in ignored):
            self._report(unknown)

    def _report(self, unknown: str) -> None:
        if self.alias is not None:
            raise InvalidMailer(f"Unknown options {unknown}.", alias=self.alias)
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
