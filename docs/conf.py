"""Configuration of the documentation; `make docs` builds it with warnings as errors."""

import tomllib
from pathlib import Path

pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())

project = "mailqueue"
copyright = "the mailqueue contributors"  # noqa: A001 (Sphinx reads this name)
version = release = pyproject["project"]["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"mailqueue {release}"
exclude_patterns = ["_build"]
nitpicky = True
