"""What an option must be: one wording for every wrong one, and what it is asked most often. Pure.

`InvalidMailer` puts the mailer's alias before it, so a project reads
``MAILERS['default']: 'batch_size' must be a whole number from 1 to 1000, got 0``.
"""

import difflib
import math
from collections.abc import Iterable, Sequence


def expect(option: str, got: object, valid: object, expected: str) -> None:
    """Raise the ValueError of `unexpected` unless ``valid``."""
    if not valid:
        raise unexpected(option, got, expected)


def unexpected(option: str, got: object, expected: str, *, secret: bool = False) -> ValueError:
    """Return the error of an option; of what may be ``secret`` it shows the type alone."""
    shown = type(got).__name__ if secret else repr(got)
    return ValueError(f"'{option}' must be {expected}, got {shown}")


def is_whole(value: object) -> bool:
    """Tell whether this is an int; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether this is an int or a finite float."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_name(value: object) -> bool:
    """Tell whether this is a text that is not empty."""
    return isinstance(value, str) and value != ""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that there are, those first that look like this one."""
    names = list(known)
    return difflib.get_close_matches(name, names, n=max(1, len(names)), cutoff=0.0)


def close(name: str, known: Iterable[str]) -> str:
    """Return the name that was probably meant; "" if none looks like it."""
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")


def meant(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Say what may have been meant by unknown names, and all that there are, nearest first."""
    guesses = [repr(guess) for name in unknown if (guess := close(name, known))]
    if not known:
        return "It has none."
    question = f"Did you mean {', '.join(guesses)}? " if guesses else ""
    return f"{question}Known are {', '.join(map(repr, nearest(unknown[0], known)))}."
