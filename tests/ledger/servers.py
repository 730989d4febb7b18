"""A PostgreSQL or MariaDB of one's own: its files in a folder, nothing of the machine touched."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.parts import missing
from tests.procnodes import free_port

NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}


@contextmanager
def own_server(kind: str, why: str) -> Iterator[str]:
    """Start a server and give its URL; it may not answer yet. `why` no other one is used."""
    start = {"postgresql": postgresql, "mariadb": mariadb}[kind]
    # Not in pytest's own folder: the servers refuse to be root, and it is closed to others.
    with TemporaryDirectory(prefix=f"mailqueue-{kind}-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        with (Path(folder) / "log").open("wb") as log:
            process = start(Path(folder), port, program(kind, why), {"stdout": log, "stderr": log})
            try:
                user = "postgres" if kind == "postgresql" else "root"
                yield f"{kind}://{user}@127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGQUIT)  # at SIGTERM PostgreSQL waits for its clients
                process.wait(30)


def program(kind: str, why: str) -> str:
    """Find the server; neither Debian's PostgreSQL nor everybody's sbin is on PATH."""
    name = {"postgresql": "postgres", "mariadb": "mariadbd"}[kind]
    folders = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True), "/usr/sbin"]
    path = os.pathsep.join([os.environ["PATH"], *folders])
    return shutil.which(name, path=path) or missing(NAMES[kind], why)


def postgresql(folder: Path, port: int, binary: str, options: dict[str, Any]) -> Any:
    options |= as_user("postgres", folder)
    data = folder / "data"
    initdb = [Path(binary).with_name("initdb"), "-D", data, "-U", "postgres", "-A", "trust"]
    subprocess.run([*initdb, "--no-sync", "--no-locale", "-E", "UTF8"], check=True, **options)
    command = [binary, "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
    return subprocess.Popen(command, **options)


def mariadb(folder: Path, port: int, binary: str, options: dict[str, Any]) -> Any:
    options |= as_user("mysql", folder)
    # A server that starts clears the temporary tables of all others from a tmpdir they share.
    data = ["--no-defaults", f"--datadir={folder / 'data'}", f"--tmpdir={folder}"]
    install = ["mariadb-install-db", *data, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, **options)
    where = [f"--socket={folder / 'socket'}", f"--port={port}", "--bind-address=127.0.0.1"]
    command = [binary, *data, *where, "--character-set-server=utf8mb4"]
    return subprocess.Popen(command, **options)


def as_user(name: str, folder: Path) -> dict[str, Any]:
    """Return what makes root's processes those of a user who may write to the folder."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    shutil.chown(folder, name, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": folder}
