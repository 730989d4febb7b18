"""The chain of ``using``: from a mailer to the ones that deliver."""

from collections.abc import Mapping
from typing import Any

Entries = Mapping[str, Mapping[str, Any]]


def named(config: Any) -> list[str]:
    """Return the aliases that ``using`` of one entry names: a text, or a list of texts.

    What is no entry at all names none; building it says what is wrong.
    """
    options = config.get("OPTIONS") if isinstance(config, Mapping) else None
    using = options.get("using") if isinstance(options, Mapping) else None
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


def deliverers(alias: str, entries: Entries) -> list[str]:
    """Return the aliases at the ends of the ways from here: configured, and naming no other one."""
    ends = [end for end in reached(alias, entries) if end in entries and not named(entries[end])]
    return sorted(ends)


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
