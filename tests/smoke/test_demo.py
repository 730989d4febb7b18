"""The demo keeps what it says: its exit status, its folder, and nothing left running."""

import os
import signal
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path

import psutil
from pytest_docker_tools.utils import wait_for_callable

ROOT = Path(__file__).parents[2]


def start(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MAILQUEUE_BROKER_URL", None)
    command = [sys.executable, "-m", "mailqueue.demo"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_demo_delivers_everything_once(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output, _ = demo.communicate(timeout=240)
    assert demo.returncode == 0
    assert "exactly once or is a dead letter" in output
    assert "550" in output
    # All but the one that was refused; of the rest one has two recipients.
    files = list((tmp_path / "build/mailqueue-demo/received").iterdir())
    assert len(files) == 1003
    subjects = [
        message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"] for file in files
    ]
    assert "Größe, ціна, 価格 ✓" in subjects
    assert len(set(subjects)) == 1003


def test_an_interrupted_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    demo = start(tmp_path)
    logs = [tmp_path / f"build/mailqueue-demo/worker{index}.log" for index in (1, 2)]
    wait_for_callable(
        "both workers run",
        lambda: all(log.exists() and "ready." in log.read_text() for log in logs),
        timeout=60,
    )
    children = psutil.Process(demo.pid).children(recursive=True)
    # The broker, two workers and at least one child of each.
    assert len(children) >= 5

    demo.send_signal(signal.SIGINT)

    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Interrupted" in output
    _, alive = psutil.wait_procs(children, timeout=10)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
