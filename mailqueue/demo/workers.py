"""Worker processes, started as a deployment starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0  # seconds for a worker to finish what it has in hand


@contextmanager
def workers(number: int, processes: int, folder: Path) -> "Iterator[list[subprocess.Popen[bytes]]]":
    """Run workers with this process's environment; their logs go to `folder`."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for index in range(1, number + 1):
            running.append(start(f"worker{index}", processes, folder))
        yield running
    except BaseException:
        for worker in running:
            kill(worker)
        raise
    alive = [worker for worker in running if worker.poll() is None]
    for worker in alive:
        worker.send_signal(signal.SIGTERM)
    for worker in alive:
        try:
            worker.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill(worker)


def start(name: str, processes: int, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "celery", "-A", "mailqueue.worker", "worker"]
    command += ["--hostname", f"{name}@%h", "--concurrency", str(processes)]
    command += ["--loglevel", "INFO"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own command)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A group of its own: Ctrl-C goes to the demo, which ends worker and children together.
            start_new_session=True,
        )


def kill(worker: "subprocess.Popen[bytes]") -> None:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
