"""Run something in a forked child."""

import os
import warnings
from collections.abc import Callable


def holds_in_child(condition: Callable[[], bool]) -> bool:
    """Return what `condition()` is in a forked child."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads that may hold locks; the child only looks and leaves.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if condition() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
