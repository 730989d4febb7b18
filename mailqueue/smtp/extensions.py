"""What a server offers. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

# Python takes no number of thousands of digits from a text, and there is no mail of that size.
_LIMIT = re.compile(r"[0-9]{1,18}")

# What a mail can do without, by parameters of MAIL that are left out.
OPTIONAL = frozenset({"size", "eight_bit"})


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a server offers, of all that this client can use."""

    pipelining: bool = False  # RFC 2920
    chunking: bool = False  # RFC 3030
    eight_bit: bool = False  # RFC 6152
    utf8: bool = False  # RFC 6531
    size: bool = False  # RFC 1870
    most_bytes: int = 0  # 0: no limit is known

    @classmethod
    def of(cls, features: Mapping[str, str]) -> Self:
        """Read them from ``smtplib.SMTP.esmtp_features``."""
        limit = features.get("size", "")
        return cls(
            pipelining="pipelining" in features,
            chunking="chunking" in features,
            eight_bit="8bitmime" in features,
            utf8="smtputf8" in features,
            size="size" in features,
            most_bytes=int(limit) if _LIMIT.fullmatch(limit) else 0,
        )

    def without(self, lacking: Collection[str]) -> Self:
        """Return what is left without those fields that a server was found not to have."""
        return replace(self, **dict.fromkeys(lacking, False)) if lacking else self
