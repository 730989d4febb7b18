"""What operators write: times, numbers and names, as argparse reads them."""

import argparse
import re
import sys

LONGEST = 100 * 365 * 86400  # seconds; a database has no dates for some hundred times as many
UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``10m``, ``2h`` or ``3d``; argparse tells errors."""
    found = re.fullmatch(r"(\d{1,9}) ?([a-z]*)", text.strip())
    if found is None or found[2] not in UNITS:
        raise argparse.ArgumentTypeError(f"must be a time such as 90, 10m, 2h or 3d, got {text!r}")
    given = float(found[1]) * UNITS[found[2]]
    if given > LONGEST:
        raise argparse.ArgumentTypeError(f"must be a time up to {LONGEST // 86400}d, got {text!r}")
    return given


def limit(text: str) -> int:
    """Return how many are asked for at most; argparse tells errors."""
    if not re.fullmatch(r"\d{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, got {text!r}")
    return int(text)


def name(text: str) -> str:
    """Return what something is called, an id or an address; argparse tells errors.

    A variable of a shell that is not set is an empty name. What the terminal sends that is not in
    its encoding comes as lone surrogates.
    """
    if not text.strip() or any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text):
        raise argparse.ArgumentTypeError(
            f"must be a name in {sys.getfilesystemencoding()}, got {text!r}"
        )
    return text
