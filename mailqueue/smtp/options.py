"""The options of a connection that Django's backend does not have."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.utils.module_loading import import_string

from mailqueue.expectations import expect, is_number, is_whole, unexpected


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOptions:
    """How connections are used; checked when built, ValueError says what is wrong.

    ``pipeline_window``: messages written before the answer to the first must be there, where the
    server offers CHUNKING; 1: one at a time, 0: no pipelining at all. ``max_messages`` and
    ``max_age`` (seconds) bound the use of one connection. ``final_timeout``: seconds to wait for
    the answer to a message, None for as long as for any other. ``deadline``: seconds that a mail
    may take up to its final dot, connecting included. ``oauth_token``: a function without
    arguments, or the dotted path of one, that returns an access token for AUTH.
    """

    pipeline_window: int = 10
    max_messages: int = 500  # as many as Exim's client
    max_age: float = 300.0
    final_timeout: float | None = None
    deadline: float = 240.0
    # Whatever was given may show a secret: a partial() has its arguments.
    oauth_token: Callable[[], str] | str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, least in ("pipeline_window", 0), ("max_messages", 1):
            number = getattr(self, name)
            valid = is_whole(number) and number >= least
            expect(name, number, valid, f"a whole number from {least} on")
        for name in ("max_age", "final_timeout", "deadline"):
            seconds = getattr(self, name)
            valid = is_number(seconds) and seconds >= 1
            optional = name == "final_timeout" and seconds is None
            expect(name, seconds, valid or optional, "a number of seconds from 1 on")
        if isinstance(self.oauth_token, str):
            try:
                object.__setattr__(self, "oauth_token", import_string(self.oauth_token))
            except ImportError as error:
                # What was given may be a token: it is not shown.
                expected = "the dotted path of a function"
                raise unexpected("oauth_token", self.oauth_token, expected, secret=True) from error
        if self.oauth_token is not None and not callable(self.oauth_token):
            raise unexpected("oauth_token", self.oauth_token, "a function", secret=True)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def pop_from(cls, options: dict[str, Any]) -> Self:
        """Take out of `options` those that belong here."""
        return cls(**{name: options.pop(name) for name in cls.names() if name in options})


def check_server(host: object, port: object, timeout: object) -> None:
    """Raise ValueError for a wrong one of the options that Django's backend has, too."""
    expect("host", host, host is None or isinstance(host, str), "a name or an address")
    numbered = port is None or (is_whole(port) and 0 < port < 2**16)  # type: ignore[operator]
    expect("port", port, numbered, "a whole number from 1 to 65535")
    waits = timeout is None or (is_number(timeout) and timeout > 0)  # type: ignore[operator]
    expect("timeout", timeout, waits, "None or a number of seconds above 0")
