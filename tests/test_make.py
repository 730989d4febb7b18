"""The Makefile: what `make test` measures."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def commands(*arguments: str) -> str:
    """Return what make would run, whatever make runs this test."""
    given = {"DJANGO", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "PYTEST", "PYTHON", "VENV"}
    environment = {name: value for name, value in os.environ.items() if name not in given}
    return subprocess.check_output(
        ["make", "--dry-run", *arguments], cwd=ROOT, env=environment, text=True
    )


def test_the_whole_suite_has_a_floor_of_coverage() -> None:
    assert "-m coverage run -m pytest" in commands("test")
    assert "/coverage report" in commands("test")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["coverage"]["report"]["fail_under"] >= 93


@pytest.mark.parametrize("part", ["PYTEST=tests/wire", "DJANGO=5.2"])
def test_a_part_of_it_has_none(part: str) -> None:
    assert "-m pytest" in commands("test", part)
    assert "coverage run" not in commands("test", part)
    assert "coverage report" not in commands("test", part)
