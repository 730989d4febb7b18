"""What actions print: tables for people, JSON for programs."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils.timezone import now

Row = Mapping[str, Any]


def print_json(out: OutputWrapper, rows: Sequence[Row]) -> None:
    """Print rows as one JSON array; times are in ISO 8601."""
    out.write(json.dumps([dict(row) for row in rows], default=datetime.isoformat, indent=2))


def print_table(out: OutputWrapper, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their names, by rich where that is installed."""
    if importlib.util.find_spec("rich") and out.isatty():
        print_rich(out, names, rows)
        return
    rows = [[printable(each) for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        out.write("  ".join(cells).rstrip())


def print_pairs(out: OutputWrapper, pairs: Sequence[tuple[str, str]]) -> None:
    """Print names, and what each is, below one another."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        out.write(f"{name.ljust(width)}  {printable(value)}")


def printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def print_rich(out: OutputWrapper, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*names, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(escape(printable(each)) for each in row))
    Console(file=out).print(table)  # type: ignore[arg-type]


def duration(seconds: float | None) -> str:
    """Return seconds as people say them: 45 s, 12 min, 3 h, 8 d."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def ago(moment: datetime | None) -> str:
    """Return how long ago that was."""
    return "-" if moment is None else f"{duration((now() - moment).total_seconds())} ago"


def until(moment: datetime | None) -> str:
    """Return how long it is until then."""
    if moment is None:
        return "-"
    left = (moment - now()).total_seconds()
    return f"in {duration(left)}" if left > 0 else "now"


def code(each: Row) -> str:
    """Return the reply code of a mail or an attempt, with the enhanced one: 550 5.1.1."""
    return " ".join(str(part) for part in (each["code"], each["enhanced"]) if part)


def cell(value: object) -> str:
    return "-" if value in (None, "") else str(value)
