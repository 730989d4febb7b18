"""Python's SMTP policy, with a memory: rendering is what a mail costs, and headers repeat."""

from email.headerregistry import HeaderRegistry
from email.policy import EmailPolicy
from functools import lru_cache
from typing import Any

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
    """Writes the same bytes as EmailPolicy; parses and folds a repeated header once."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Parse a header, or find what it was parsed to."""
        if type(value) is str and len(value) <= LONGEST:
            return _parse(self, name, value)
        return super().header_store_parse(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Fold a header, or find what it was folded to."""
        folds = getattr(value, "_folds", None)
        if folds is None:
            return super().fold_binary(name, value)
        if (self, name) not in folds:
            folds[self, name] = super().fold_binary(name, value)
        folded: bytes = folds[self, name]
        return folded


@lru_cache(maxsize=512)
def _parse(policy: RememberingPolicy, name: str, value: str) -> tuple[str, Any]:
    name, header = EmailPolicy.header_store_parse(policy, name, value)
    header._folds = {}  # beside the parsed form, so that they go together
    return name, header


SMTP = RememberingPolicy(linesep="\r\n", header_factory=_Registry())
SMTPUTF8 = SMTP.clone(utf8=True)
SMTP_7BIT = SMTP.clone(cte_type="7bit")
