"""The guides, and the code that they show."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """Return the text of a guide."""
    return (ROOT / "docs/howto" / f"{name}.md").read_text()


def block(name: str, word: str, language: str = "python") -> str:
    """Return the one block of code of a guide that has this word."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", page(name), re.DOTALL | re.MULTILINE)
    [found] = [each for each in blocks if word in each]
    return found


def run(name: str, word: str, **known: Any) -> dict[str, Any]:
    """Run a block of code of a guide, where these names are known; return all names after it."""
    names = {"__name__": name} | known
    exec(compile(block(name, word), f"{name}.md", "exec"), names)
    return names


def module(name: str, guide: str, word: str) -> ModuleType:
    """Make a module of a block of code, for `sys.modules`."""
    made = ModuleType(name)
    exec(compile(block(guide, word), f"{guide}.md", "exec"), made.__dict__)
    return made
