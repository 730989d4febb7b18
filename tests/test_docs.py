"""The documentation names everything that can be set, and nothing that is not there."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import load_command_class
from django.dispatch import Signal

from mailqueue import errors, signals
from mailqueue.options import QueueOptions
from mailqueue.outcome.report import checked, reports_outcomes
from mailqueue.outcome.retry import RetryPolicy
from tests.chaos.matrix import table
from tests.chaos.matrix.rows import ROWS

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
REFERENCE = ROOT / "docs/reference"
GUARANTEES = (ROOT / "docs/explanation/guarantees.md").read_text()
DIAGNOSE = (ROOT / "docs/howto/diagnose.md").read_text()
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(
    "name", [*QueueOptions.names(), *(field.name for field in fields(RetryPolicy))]
)
def test_every_option_is_documented(name: str) -> None:
    assert f"\n| `{name}` |" in SETTINGS


def test_the_variables_of_the_worker_are_those_that_are_documented() -> None:
    sources = [ROOT / "worker/settings.py", ROOT / "mailqueue/broker/app.py"]
    read = {name for path in sources for name in re.findall(r"MAILQUEUE_\w+", path.read_text())}
    # worker.settings makes these two names of parts.
    read |= {"MAILQUEUE_SMTP_USERNAME", "MAILQUEUE_SMTP_PASSWORD"}
    read -= {"MAILQUEUE_SMTP_"}
    assert set(re.findall(r"\n\| `(MAILQUEUE_\w+)`", SETTINGS)) == read


def test_the_system_checks_are_those_of_the_table() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "mailqueue/checks").glob("*.py"))
    made = re.findall(r'id="(mailqueue\.[EW]\d+)"', sources)
    table = re.findall(r"\n\| `(mailqueue\.\w+)` \|", (REFERENCE / "mail-api.md").read_text())
    assert table == sorted(made)


def test_the_findings_of_the_doctor_are_those_of_the_table() -> None:
    made = {
        node.value
        for path in (ROOT / "mailqueue/doctor").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z]+(-[a-z]+)+", node.value)
    }
    table = re.findall(r"\n\| `([a-z]+(?:-[a-z]+)+)` \|", DIAGNOSE)
    assert sorted(table) == sorted(made)
    assert len(made) > 20


def test_the_parts_of_health_are_those_of_the_table() -> None:
    source = (ROOT / "mailqueue/health.py").read_text()
    made = set(re.findall(r'"((?:broker|ledger|settings)(?:_\w+)?)"', source))
    table = re.findall(r"\n\| `([a-z_]+)` \|", DIAGNOSE)
    assert set(table) == made


def rows(page: str) -> dict[str, str]:
    """Return the rows of a page's tables by their first cell, where that is a name in backticks."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", (REFERENCE / page).read_text(), re.MULTILINE)
    return dict(lines)


def test_every_signal_is_documented_with_its_arguments() -> None:
    table = re.sub(r",\n +``", ", ``", signals.__doc__ or "")
    told = re.findall(r"^``(\w+)`` +(``.*)$", table, re.MULTILINE)
    in_code = {name: set(re.findall(r"``(\w+)``", arguments)) for name, arguments in told}
    assert set(in_code) == {
        name for name, each in vars(signals).items() if isinstance(each, Signal)
    }
    documented = {
        name: set(re.findall(r"`(\w+)`", row.rpartition("|")[2]))
        for name, row in rows("signals.md").items()
    }
    assert documented == in_code


def test_signals_are_sent_with_what_is_documented() -> None:
    sent: dict[str, set[str]] = {"dead": {*inspect.signature(signals.tell_dead).parameters}}
    for path in (ROOT / "mailqueue").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "signals.tell":
                name = ast.unparse(node.args[0]).removeprefix("signals.")
                # **who is mailer and id
                given = {each.arg or who for each in node.keywords for who in ("mailer", "id")}
                assert sent.setdefault(name, given) == given
    documented = {
        name: set(re.findall(r"`(\w+)`", row.rpartition("|")[2]))
        for name, row in rows("signals.md").items()
    }
    assert sent == documented


def test_every_error_is_documented_at_its_place_in_the_tree() -> None:
    classes = {name: each for name, each in vars(errors).items() if isinstance(each, type)}
    tree = re.search(r"```text\n(.*?)```", (REFERENCE / "errors.md").read_text(), re.DOTALL)
    assert tree
    ways: list[str] = []
    for line in tree[1].splitlines():
        drawn, name = re.fullmatch(r"([│├└─ ]*)(\w+)", line).groups()  # type: ignore[union-attr]
        ways = [*ways[: len(drawn) // 4], name]
        assert [each.__name__ for each in classes.pop(name).__mro__[-4::-1]] == ways
    assert not classes
    assert set(rows("errors.md")) == {
        name for name, each in vars(errors).items() if isinstance(each, type)
    }


def test_every_management_command_is_documented() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    folder = ROOT / "mailqueue/management/commands"
    for name in {path.stem for path in folder.glob("[!_]*.py")}:
        parser = load_command_class("mailqueue", name).create_parser("manage.py", name)
        subparsers = [each.choices for each in parser._actions if each.dest == "action"]
        for words in [f"{name} {action}" for action in subparsers[0]] if subparsers else [name]:
            assert f"manage.py {words}" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def notes_of_the_guarantees() -> dict[str, str]:
    """Return the notes of the page of guarantees, by their names."""
    return dict(re.findall(r"^\[\^([\w-]+)\]: (.*(?:\n    .*)*)", GUARANTEES, re.MULTILINE))


def test_each_note_of_the_guarantees_is_used_and_names_tests() -> None:
    used = set(re.findall(r"\[\^([\w-]+)\](?!:)", GUARANTEES))
    assert used == set(notes_of_the_guarantees())
    assert len(used) > 40
    assert all("`tests/" in note for note in notes_of_the_guarantees().values())


@pytest.mark.parametrize(
    "named", sorted({*re.findall(r"`(tests/[^`]+)`", GUARANTEES)}), ids=lambda name: name[6:]
)
def test_a_test_that_the_guarantees_name_exists(named: str) -> None:
    path, _, name = named.partition("::")
    names = {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert names
    assert not name or name in names


def test_the_table_of_results_has_each_fault_of_the_matrix() -> None:
    made = GUARANTEES.partition(table.BEGIN)[2].partition(table.END)[0]
    first = re.findall(r"^\| ([^|]+) \|", made, re.MULTILINE)
    faults = [cell for cell in first if not cell.startswith(("*", "---"))]
    assert faults == ["fault", *(row.fault for row in ROWS)]


def test_what_the_table_of_results_points_at_is_there() -> None:
    headings = re.findall(r"^## (.*)$", GUARANTEES, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert {why for row in ROWS for why in row.loses.values()} <= anchors


def test_the_target_that_reports_outcomes_does() -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/explanation/retries.md").read_text(), re.DOTALL
    )
    (shown,) = [block for block in blocks if "reports_outcomes" in block]
    names: dict[str, Any] = {"hand_over": lambda message: {"gone@example.test"}}
    exec(shown, names)
    target = names["EmailBackend"]()
    message = EmailMessage(to=["jo@example.test", "gone@example.test"])
    assert reports_outcomes(target)
    (told,) = target.deliver([message])
    outcomes, fault = checked(told, message.recipients())
    assert [each.kind for each in outcomes.values()] == ["sent", "permanent"]
    assert fault == ""
    assert target.send_messages([message]) == 1


@pytest.mark.parametrize("path", ["README.md", "docs/tutorial/quickstart.md"])
def test_the_settings_shown_name_mailers_that_can_be_built(path: str, settings) -> None:
    from mailqueue.mail import mailers

    shown = next(
        block
        for block in re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)
        if "MAILERS" in block
    )
    names: dict[str, object] = {}
    exec(shown, names)
    settings.MAILERS = names["MAILERS"]
    assert list(mailers) == ["default", "smtp"]
    assert [type(mailers[alias]).__module__ for alias in mailers] == [
        "mailqueue.backends.queue",
        "mailqueue.backends.smtp",
    ]
