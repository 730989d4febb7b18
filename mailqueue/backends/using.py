"""The chain of ``using``: from a mailer to the ones that deliver."""

from collections.abc import Mapping
from typing import Any

Entries = Mapping[str, Mapping[str, Any]]


def named(config: Mapping[str, Any]) -> list[str]:
    """Return the aliases that ``using`` of one entry names: a text, or a list of texts."""
    using = config.get("OPTIONS", {}).get("using")
    several = using if isinstance(using, list | tuple) else [using]
    return [alias for alias in several if isinstance(alias, str)]


def reached(alias: str, entries: Entries) -> set[str]:
    """Return the aliases that ``using`` leads to from here, configured or not."""
    found: set[str] = set()
    ahead = [alias]
    while ahead:
        for target in named(entries.get(ahead.pop(), {})):
            if target not in found:
                found.add(target)
                ahead.append(target)
    return found


def fault(alias: str, entries: Entries) -> str:
    """Say why ``using`` does not lead to mailers that deliver; "" if it does."""
    ways = [[alias]]
    while ways:
        way = ways.pop()
        for target in named(entries[way[-1]]):
            if target in way:
                chain = " -> ".join(map(repr, [*way, target]))
                return f"'using' must lead to a mailer that delivers, got the loop {chain}."
            if target not in entries:
                known = sorted(entries)
                return f"'using' must be the alias of a mailer, one of {known}, got {target!r}."
            ways.append([*way, target])
    return ""
