"""The texts in the code, so that a page can be held to them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ANY = "…"


def texts(folder: Path) -> set[str]:
    """Return each text in the code of a folder; what is put in at run time is `ANY`."""
    trees = (ast.parse(path.read_text()) for path in folder.rglob("*.py"))
    return {re.sub(r"%(\.\d)?[a-z]", ANY, text) for tree in trees for text in texts_in(tree)}


def texts_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else ANY for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
