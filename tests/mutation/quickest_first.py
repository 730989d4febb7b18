"""A plugin of pytest for mutmut: what takes long runs only if nothing else notices the change."""

import json
from pathlib import Path
from typing import Any

import pytest

TIMES = Path("mutmut-stats.json")  # mutmut writes it, and works where it is


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    times = json.loads(TIMES.read_text())["duration_by_test"] if TIMES.exists() else {}
    items.sort(key=lambda item: times.get(item.nodeid, 0.0))
