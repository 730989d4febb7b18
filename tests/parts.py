"""The parts of the system that tests need: without one they are skipped, in CI they fail."""

import os
from typing import NoReturn

import pytest


def missing(part: str, why: str = "none runs, none can be started") -> NoReturn:
    """Skip the test that needs this part; with CI=true fail it."""
    text = f"no {part} ({why}): scripts/install-parts installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
