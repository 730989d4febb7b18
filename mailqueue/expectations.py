"""What an option must be: one wording for every wrong one, and what it is asked most often. Pure.

`InvalidMailer` puts the mailer's alias before it, so a project reads
``MAILERS['default']: 'batch_size' must be a whole number from 1 to 1000, got 0``.
"""

import math


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
