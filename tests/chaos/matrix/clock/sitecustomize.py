"""Python imports this before all else: the clock of this process is wrong by MATRIX_CLOCK seconds.

Nothing of it changes how long something takes: `time.monotonic` and waiting are as ever.
"""

import datetime
import os
import time
from typing import Any

AHEAD = float(os.environ.get("MATRIX_CLOCK", "0"))
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


class _Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)  # also one that was made in C


class _Wrong(_datetime, metaclass=_Meta):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return super().now(tz) + datetime.timedelta(seconds=AHEAD)


if AHEAD:
    time.time = lambda: _time() + AHEAD
    time.time_ns = lambda: _time_ns() + int(AHEAD * 1e9)
    _Wrong.__name__ = _Wrong.__qualname__ = "datetime"
    _Wrong.__module__ = "datetime"
    datetime.datetime = _Wrong  # type: ignore[misc]
