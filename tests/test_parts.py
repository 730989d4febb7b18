"""The parts of the system: what becomes of a test without one, and who installs them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parts import missing

SCRIPT = Path(__file__).parents[1] / "scripts/install-parts"


def test_without_a_part_a_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no Postfix .*scripts/install-parts"):
        missing("Postfix")


def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no Postfix .*scripts/install-parts"):
        missing("Postfix")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Make a machine that has bash and no part; what is called there writes to `log`."""
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    return tmp_path


def put(machine: Path, name: str, script: str) -> None:
    (machine / name).write_text(f"#!{machine}/bash\n{script}\n")
    (machine / name).chmod(0o755)


def install_parts(machine: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": str(machine)}
    return subprocess.run(
        [machine / "bash", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )


def test_who_may_not_install_is_told_what_is_missing(bare: Path) -> None:
    put(bare, "apt-get", f"echo $@ >> {bare}/log")
    put(bare, "id", "echo 1000")
    done = install_parts(bare)
    assert done.returncode == 1
    parts = ("postfix", "sasl2-bin", "libsasl2-modules", "rabbitmq-server", "mariadb-server")
    for name in (*parts, "chromium", "systemd"):
        assert f" {name}" in done.stderr
    assert not (bare / "log").exists()


def test_root_gets_what_is_missing_and_no_more(bare: Path) -> None:
    put(bare, "apt-get", f"echo $@ $DEBIAN_FRONTEND >> {bare}/log")
    put(bare, "debconf-set-selections", f"read line; echo $line >> {bare}/log")
    put(bare, "id", "echo 0")
    for name in ("chromium", "mariadbd", "postgres", "rabbitmq-server", "systemd-analyze"):
        put(bare, name, "")
    done = install_parts(bare)
    assert done.returncode == 0, done.stderr
    selections, update, install = (bare / "log").read_text().splitlines()
    assert selections.endswith("No configuration")
    assert update.startswith("update ")
    assert install.startswith("install -y ")
    assert install.endswith(" postfix sasl2-bin libsasl2-modules noninteractive")


def test_nothing_is_done_where_nothing_is_missing(bare: Path) -> None:
    for name in (
        "chromium",
        "mariadbd",
        "postfix",
        "postgres",
        "rabbitmq-server",
        "saslpasswd2",
        "systemd-analyze",
    ):
        put(bare, name, "")
    done = install_parts(bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
