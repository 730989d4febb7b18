"""The documentation names everything that can be set, and nothing that is not there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mailqueue.options import QueueOptions
from mailqueue.outcome.retry import RetryPolicy

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
REFERENCE = ROOT / "docs/reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


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
    made = re.findall(r'id="(mailqueue\.[EW]\d+)"', (ROOT / "mailqueue/checks.py").read_text())
    table = re.findall(r"\n\| `(mailqueue\.\w+)` \|", (REFERENCE / "mail-api.md").read_text())
    assert table == sorted(made)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


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
