"""Python's SMTP policy, with a memory: rendering is what a mail costs, and headers repeat.

It looks at each header once more as it is written, since not every Python does: see
github.com/python/cpython/issues/144125. An empty line between the lines of one, which some Pythons
write where a word is longer than a line (issue 142006), would end the headers.
"""

import re
from email.headerregistry import HeaderRegistry
from email.policy import EmailPolicy
from functools import lru_cache
from typing import Any

from mailqueue.mail.headers import check_folded

EMPTY = re.compile(rb"\r\n(?=\r\n[ \t])")
LONGEST = 200  # characters of a header that may be worth keeping


class _Registry(HeaderRegistry):
    """Makes the class of a kind of header once, not for each header."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[type, type] = {}

    def __getitem__(self, name: str) -> type:
        kind = self.registry.get(name.lower(), self.default_class)
        if kind not in self._made:
            self._made[kind] = super().__getitem__(name)
        return self._made[kind]


class RememberingPolicy(EmailPolicy):
    """Writes the same bytes as EmailPolicy; parses and folds a repeated header once.

    The headers of an attached mail it writes as they came, and parses none of them: what somebody
    else wrote may take hours.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Parse a header, or find what it was parsed to."""
        if type(value) is str and len(value) <= LONGEST:
            return _parse(self, name, value)
        return super().header_store_parse(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Fold a header, or find what it was folded to; ValueError if it would be several."""
        folds = getattr(value, "_folds", None)
        if folds is None:
            return self._folded(name, value)
        if (self, name) not in folds:
            folds[self, name] = self._folded(name, value)
        folded: bytes = folds[self, name]
        return folded

    def _folded(self, name: str, value: Any) -> bytes:
        return check_folded(EMPTY.sub(b"", super().fold_binary(name, value)))


@lru_cache(maxsize=512)
def _parse(policy: RememberingPolicy, name: str, value: str) -> tuple[str, Any]:
    name, header = EmailPolicy.header_store_parse(policy, name, value)
    header._folds = {}  # beside the parsed form, so that they go together
    return name, header


SMTP = RememberingPolicy(linesep="\r\n", header_factory=_Registry(), refold_source="none")
SMTPUTF8 = SMTP.clone(utf8=True)
SMTP_7BIT = SMTP.clone(cte_type="7bit")
