"""The oldest versions that pip may install have no published hole that reaches what we use."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
GROUPS = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
BOUNDS = {each.name: each.specifier for group in GROUPS for each in map(Requirement, group)}


@pytest.mark.parametrize(
    ("name", "holes", "mended"),
    [
        ("Django", ["5.2", "5.2.17", "6.0", "6.0.8", "6.1", "6.1.1"], ["5.2.18", "6.0.9", "6.1.2"]),
        ("redis", ["4.5.3"], ["4.5.4", "8.1.0"]),
        ("celery", ["5.2.1"], ["5.5.0"]),
        ("aiosmtpd", ["1.4.5"], ["1.4.6"]),
        ("cryptography", ["46.0.6", "48.0.0", "49.0.0"], ["50.0.0"]),
    ],
)
def test_versions_with_known_holes_are_excluded(
    name: str, holes: list[str], mended: list[str]
) -> None:
    assert [each for each in holes if BOUNDS[name].contains(each)] == []
    assert [each for each in mended if not BOUNDS[name].contains(each)] == []
