"""What goes to the package index: built, looked at, and installed in an environment of its own."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import django
import pytest

ROOT = Path(__file__).parents[1]
NEEDED = {
    ".ci/run",
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "docker-compose.yml",
    "docs/conf.py",
    "example/ledger.yml",
    "example/settings.py",
    "scripts/find-python",
    "scripts/install-parts",
    "tests/conftest.py",
    "tests/wire/samples/v1/plain.txt",
    "worker/settings.py",
}
SETTINGS = (
    'SECRET_KEY = "only for tests"\nINSTALLED_APPS = ["mailqueue"]\n'
    'CELERY_BROKER_URL = "redis://localhost/0"\n'
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and from it the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, with this test run's Django, where nothing else is."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin/python"
    install(python, str(wheel), f"Django=={django.__version__}")
    return python


def install(python: Path, *requirements: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    run(*pip, *requirements, cwd=python.parent)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = attempt(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def attempt(
    *command: str | Path, cwd: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command that sees nothing of this repository."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "MAILQUEUE_", "PYTHON"))
    }
    env = inherited | environment
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_the_wheel_holds_mailqueue_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mailqueue"}


def test_the_wheel_holds_the_pages_of_the_admin(wheel: Path) -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for folder in ("static", "templates")
        for path in (ROOT / "mailqueue" / folder).rglob("*.*")
    }
    assert len(kept) > 5
    with zipfile.ZipFile(wheel) as archive:
        assert kept <= set(archive.namelist())


def test_the_sdist_holds_what_tests_and_docs_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {path.name for path in ROOT.glob("*.md")} < names
    assert NEEDED - names == set()
    assert [name for name in names if name.startswith((".venv", "build", "dist"))] == []


def test_links_work_on_the_package_index(metadata: Message) -> None:
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    source = urls["Source"]
    assert all(url.startswith(source) for url in urls.values())
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))
    assert len(links) >= 5
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    files = [link.split("/blob/main/")[1] for link in [*links, *urls.values()] if "/blob/" in link]
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_a_project_without_a_celery_app_gets_one(python: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SETTINGS)
    celery = python.with_name("celery")
    command = [celery, "-A", "mailqueue.worker", "report"]
    report = run(*command, cwd=tmp_path, DJANGO_SETTINGS_MODULE="shop")
    assert "task_default_queue: 'mailqueue'" in report


def test_the_worker_of_the_repository_needs_no_more_than_the_wheel(
    python: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "worker", tmp_path / "worker")
    celery = python.with_name("celery")
    report = run(celery, "-A", "worker", "report", cwd=tmp_path, MAILQUEUE_SECRET_KEY="x")
    assert "task_default_queue: 'mailqueue'" in report


def test_the_demo_comes_with_its_extra(python: Path, wheel: Path, tmp_path: Path) -> None:
    demo = [python, "-m", "mailqueue.demo"]
    without = attempt(*demo, cwd=tmp_path)
    assert without.returncode == 1
    assert without.stderr == "The demo needs aiosmtpd: pip install 'mailqueue[demo]'\n"
    assert list(tmp_path.iterdir()) == []

    install(python, f"{wheel}[demo]")
    assert "exactly once or is a dead letter" in run(*demo, cwd=tmp_path)
