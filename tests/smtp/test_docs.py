"""What the documentation says of options, outcomes and schedules is what the code has."""

import dataclasses
from pathlib import Path

import pytest

from mailqueue.backends.smtp_connection import FINAL_TIMEOUT
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.smtp.client import TIMEOUT
from mailqueue.smtp.options import ConnectionOptions

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference/smtp.md").read_text()


@pytest.mark.parametrize(
    "field", dataclasses.fields(ConnectionOptions), ids=lambda field: field.name
)
def test_options(field: "dataclasses.Field[object]") -> None:
    (row,) = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{field.name}` |")]
    if isinstance(field.default, int | float):
        assert f"{field.default:g}" in row.split("|")[2]


def test_timeouts() -> None:
    assert f"| `timeout` | {TIMEOUT:g} s |" in REFERENCE
    assert f"| `final_timeout` | {FINAL_TIMEOUT:g} s;" in REFERENCE


def test_outcomes() -> None:
    for name in (*Kind, *Stage, *(field.name for field in dataclasses.fields(Outcome))):
        assert f"`{name}`" in REFERENCE
