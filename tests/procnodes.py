"""Nodes of pytest-celery that are processes of this machine instead of containers.

pytest-celery's nodes wrap ten members of a Docker container; `Process` has these, so its
clusters, `celery_setup`, `kill`, `restart` and `assert_log_exists` work without a Docker engine.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_celery import CeleryTestContainer, RabbitMQContainer, RedisContainer
from pytest_docker_tools.utils import wait_for_callable

from mailqueue.demo.broker import server_binary
from tests.parts import missing

Node = TypeVar("Node", bound=CeleryTestContainer)


def worker_command(app: str, *arguments: str, node: str = "worker") -> list[str]:
    """Return the command of a worker whose node name no other run on this machine has.

    RabbitMQ refuses the control queue of a second node of the same name, and its worker ends.
    """
    name = f"{node}-{uuid.uuid4().hex[:8]}@%h"
    return [sys.executable, "-m", "celery", "-A", app, "worker", "-n", name, *arguments]


class Process:
    """What pytest-celery uses of docker.models.containers.Container."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.id, self.name, self.command, self.cwd, self.port = (
            uuid.uuid4().hex,
            name,
            command,
            cwd,
            port,
        )
        here = os.path.dirname(sys.executable)
        self.env = {**os.environ, **(env or {}), "PATH": here + os.pathsep + os.environ["PATH"]}
        self.attrs = {
            "Config": {"Hostname": "127.0.0.1", "Env": []},
            "NetworkSettings": {"Networks": {}, "Ports": {}},
        }
        self.log = cwd / f"{name}.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def status(self) -> str:
        return "running" if self.popen.poll() is None else "exited"

    def reload(self) -> None:
        """Docker's objects are snapshots; this one is not."""

    def logs(self) -> bytes:
        return self.log.read_bytes()

    def kill(self, signal: str | int | None = None) -> None:
        number = to_signal(signal)
        if number == SIGKILL:
            # A killed container loses all its processes.
            os.killpg(self.popen.pid, number)
            self.popen.wait(10)
        else:
            self.popen.send_signal(number)

    def restart(self, timeout: float = 10) -> None:
        if self.status == "running":
            self.popen.terminate()
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        # The ready prompt must be that of this start.
        self.log.write_bytes(b"")
        self.start()

    def exec_run(self, cmd: str | Sequence[str], **kwargs: Any) -> tuple[int, bytes]:
        shell = isinstance(cmd, str)
        done = subprocess.run(cmd, shell=shell, cwd=self.cwd, env=self.env, capture_output=True)
        return done.returncode, done.stdout + done.stderr

    def remove(self) -> None:
        if self.status == "running":
            self.kill()


SIGKILL = signal.SIGKILL


def to_signal(name: str | int | None) -> int:
    return name if isinstance(name, int) else signal.Signals[name or "SIGKILL"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(node: Node) -> Iterator[Node]:
    """Give the node when it is ready; end its processes after the test."""
    try:
        assert node.ready()
        yield node
    finally:
        node._container.remove()


class RedisProcess(RedisContainer):
    port = property(lambda self: self._container.port)
    # The worker reaches it where the test does.
    url = property(lambda self: self.host_url)


def redis_process(folder: Path) -> RedisProcess:
    """Start a Redis that keeps what it accepted when its process is killed."""
    port = free_port()
    binary = server_binary() or missing("Redis")
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "yes"]
    return RedisProcess(Process("redis", command, cwd=folder, port=port))


class RabbitProcess(RabbitMQContainer):
    port = property(lambda self: self._container.port)
    url = property(lambda self: self.host_url)

    def stop(self) -> None:
        self._container.remove()
        epmd, env = shutil.which("epmd"), self._container.env
        if epmd is None:
            return
        # It outlives its node by design, and refuses to end until it has seen the node go.
        kill = [epmd, "-port", env["ERL_EPMD_PORT"], "-kill"]
        wait_for_callable("epmd ends", lambda: b"Killed" in self.run(kill), timeout=10)

    def run(self, command: Sequence[str]) -> bytes:
        return bytes(self._container.exec_run(command)[1])


def rabbitmq_tool(name: str) -> str | None:
    """Find a tool of RabbitMQ; Debian's in sbin change the user, the package's own do not."""
    return shutil.which(name, path="/usr/lib/rabbitmq/bin") or shutil.which(name)


def rabbitmq_process(folder: Path) -> RabbitProcess:
    """Start a RabbitMQ node with all its files in `folder`; it takes 10 to 15 seconds."""
    binary = rabbitmq_tool("rabbitmq-server") or missing("RabbitMQ")
    port, dist_port, epmd_port = free_port(), free_port(), free_port()
    (folder / "plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text("")
    env = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"mailqueue{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(dist_port),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
    }
    return RabbitProcess(Process("rabbitmq", [binary], cwd=folder, env=env, port=port))
