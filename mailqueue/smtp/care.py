"""The options of a connection that Django's backend does not have."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

from django.utils.module_loading import import_string


@dataclass(frozen=True, kw_only=True, slots=True)
class Care:
    """How connections are used; checked when built, ValueError says what is wrong.

    ``pipeline_window``: messages written before the answer to the first must be there, where the
    server offers CHUNKING; 1: one at a time, 0: no pipelining at all. ``max_messages`` and
    ``max_age`` (seconds) bound the use of one connection. ``final_timeout``: seconds to wait for
    the answer to a message, None for as long as for any other. ``oauth_token``: a function
    without arguments, or the dotted path of one, that returns an access token for AUTH.
    """

    pipeline_window: int = 10
    max_messages: int = 100
    max_age: float = 300.0
    final_timeout: float | None = None
    oauth_token: Callable[[], str] | str | None = None

    def __post_init__(self) -> None:
        _check(self, "pipeline_window", least=0, whole=True)
        _check(self, "max_messages", least=1, whole=True)
        _check(self, "max_age", least=1)
        if self.final_timeout is not None:
            _check(self, "final_timeout", least=1)
        if isinstance(self.oauth_token, str):
            try:
                object.__setattr__(self, "oauth_token", import_string(self.oauth_token))
            except ImportError as error:
                raise self._bad_token("the dotted path of a function") from error
        if self.oauth_token is not None and not callable(self.oauth_token):
            raise self._bad_token("a function")

    def _bad_token(self, expected: str) -> ValueError:
        # What was given may be a token: it is not shown.
        return ValueError(f"'oauth_token': expected {expected}, got another value.")

    @classmethod
    def pop_from(cls, options: dict[str, Any]) -> Self:
        """Take out of `options` those that belong here."""
        names = [field.name for field in fields(cls) if field.name in options]
        return cls(**{name: options.pop(name) for name in names})


def _check(care: Care, name: str, *, least: int, whole: bool = False) -> None:
    value: Any = getattr(care, name)
    number = isinstance(value, int) if whole else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not least <= value or not math.isfinite(value):
        kind = "a whole number" if whole else "a number of seconds"
        raise ValueError(f"{name!r}: expected {kind} from {least} on, got {value!r}.")
