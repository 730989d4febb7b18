"""The map of the code, docs/explanation/architecture.md, and the rules that it states."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mailqueue"
PAGE = (ROOT / "docs/explanation/architecture.md").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {each["id"]: each for each in PYPROJECT["tool"]["importlinter"]["contracts"]}
# Room by floor, the highest first.
FLOORS = [layer.split(" | ") for layer in CONTRACTS["direction"]["layers"]]
FILES = sorted(PACKAGE.rglob("*.py"))
LOWEST = {*FLOORS[-1], *FLOORS[-2]}  # any room may import these

MOST_LINES = 250
LONGER_MODULES: dict[str, str] = {}  # by path below mailqueue/: the reason
MOST_LINES_OF_A_FUNCTION = 50
LONGER_FUNCTIONS: dict[str, str] = {}  # "path:function": the reason


def rooms_of(folder: Path) -> set[str]:
    """Return the modules and packages at the top of the package."""
    found = {path.stem for path in folder.glob("*.py")}
    return (found | {path.parent.name for path in folder.glob("*/__init__.py")}) - {"__init__"}


def table() -> Iterator[tuple[int, str, set[str], bool]]:
    """Yield floor, room, rooms that it may import, and whether it may import Celery."""
    row = r"^\| (\d+) \| `(\w+)` \| [^|]+\? \| ([^|]*)\| [^|]+ \|$"
    for floor, room, imports in re.findall(row, PAGE, re.MULTILINE):
        yield int(floor), room, set(re.findall(r"`(\w+)`", imports)), "Celery" in imports


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """Yield the full names that a module imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_table_of_rooms_and_the_contract_name_every_room() -> None:
    rooms = [room for _, room, _, _ in table()]
    assert rooms == [room for floor in FLOORS for room in floor]
    assert set(rooms) == rooms_of(PACKAGE)
    assert CONTRACTS["direction"]["exhaustive"]


def test_the_floors_of_the_table_are_those_of_the_contract() -> None:
    floors = {room: len(FLOORS) - number for number, floor in enumerate(FLOORS) for room in floor}
    assert {room: floor for floor, room, _, _ in table()} == floors
    for floor, room, imports, _ in table():
        assert {other for other in imports if floors[other] >= floor} == set(), room


@pytest.mark.parametrize(("room", "may"), [(room, may) for _, room, may, _ in table()])
def test_a_room_imports_what_the_table_says(room: str, may: set[str]) -> None:
    files = [path for path in FILES if path.relative_to(PACKAGE).with_suffix("").parts[0] == room]
    names = {name for path in files for name in imported(path)}
    ours = {name.split(".")[1] for name in names if name.startswith("mailqueue.")}
    assert ours - {room} - LOWEST <= may


def test_the_table_says_who_may_import_celery() -> None:
    without = {name.removeprefix("mailqueue.") for name in CONTRACTS["celery"]["source_modules"]}
    # `worker` calls the app that it was given, and nothing else of Celery.
    may = {room for _, room, _, celery in table() if celery}
    assert may == rooms_of(PACKAGE) - without - {"worker"}


def test_modules_that_call_themselves_pure_are_held_to_it() -> None:
    said = {
        name_of(path)
        for path in FILES
        if re.search(r"\bPure[.:]", ast.get_docstring(tree_of(path)) or "")
    }
    contract = set(CONTRACTS["pure"]["source_modules"])
    # A package stands for its modules.
    within = {name for name in said if name.rpartition(".")[0] in said}
    assert said - within == contract
    assert {name_of(path) for path in files_of_ruffs_list()} == {
        name_of(path) for path in FILES if covered(name_of(path), contract) and is_code(path)
    }


def files_of_ruffs_list() -> Iterator[Path]:
    """Yield the files that ruff keeps from Django's settings: all others are let off TID251."""
    ignores = PYPROJECT["tool"]["ruff"]["lint"]["per-file-ignores"]
    (pattern,) = [each for each, rules in ignores.items() if rules == ["TID251"]]
    for each in braces(pattern.removeprefix("!")):
        found = [path for path in ROOT.glob(each) if is_code(path)]
        assert found, f"{each} is no file"
        yield from found


def braces(pattern: str) -> Iterator[str]:
    """Yield what a pattern with {a,b} stands for, the innermost braces first."""
    if (found := re.search(r"\{([^{}]*)\}", pattern)) is None:
        yield pattern
        return
    for each in found[1].split(","):
        yield from braces(pattern[: found.start()] + each + pattern[found.end() :])


def is_code(path: Path) -> bool:
    return path.name != "__init__.py"


def covered(name: str, names: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_modules_and_functions_are_short(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    too_long = len(path.read_text().splitlines()) > MOST_LINES
    assert too_long == (place in LONGER_MODULES), "split it, or give the reason"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            known = f"{place}:{node.name}" in LONGER_FUNCTIONS
            assert (lines > MOST_LINES_OF_A_FUNCTION) == known, node.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_import_slips_round_the_contracts(path: Path) -> None:
    """import-linter sees import statements only; a path from the settings is no import of ours."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        assert called not in ("import_module", "__import__")
        if called == "import_string":
            texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            assert not any("mailqueue" in str(text) for text in texts)


def test_dead_letters_are_made_where_they_are_told() -> None:
    """`broker.dead.park` sends the signal, so nobody else publishes one."""
    callers = {
        name_of(path)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "dead_letter"
    }
    assert callers == {"mailqueue.broker.dead"}


def named_on_the_page() -> list[str]:
    """Return what stands in backticks outside of code blocks."""
    return sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))))


FILES_NAMED = [each for each in named_on_the_page() if "/" in each]
NAMES = [each for each in named_on_the_page() if re.fullmatch(r"\w+(\.\w+)+", each)]


def test_the_page_names_files_and_functions() -> None:
    assert len(FILES_NAMED) > 20
    assert len(NAMES) > 40


@pytest.mark.parametrize("named", FILES_NAMED)
def test_a_file_that_the_page_names_exists(named: str) -> None:
    place, _, test = named.partition("::")
    assert (ROOT / place).exists()
    assert not test or test in defined(tree_of(ROOT / place))


@pytest.mark.parametrize("named", [name for name in NAMES if name != "pyproject.toml"])
def test_a_function_that_the_page_names_exists(named: str) -> None:
    parts = named.split(".")
    path = PACKAGE
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    if parts and (path / f"{parts[0]}.py").exists():
        path /= f"{parts.pop(0)}.py"
    else:
        path /= "__init__.py"
    assert path != PACKAGE / "__init__.py", "it begins with no room"
    scope: Any = tree_of(path)
    for part in parts:
        names = defined(scope)
        assert part in names
        scope = names[part]


def defined(scope: Any) -> dict[str, ast.AST]:
    """Return what a module or class defines, by name."""
    found: dict[str, ast.AST] = {}
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found
