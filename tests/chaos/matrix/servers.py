"""Brokers and databases that can be killed, and started with what they had on disk."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg
import redis
from kombu import Connection

from mailqueue.demo.broker import remove_queues
from tests.chaos.matrix.excuses import Note
from tests.ledger.databases import server_settings
from tests.ledger.servers import postgresql, program
from tests.parts import missing
from tests.procnodes import (
    RabbitProcess,
    free_port,
    rabbitmq_process,
    rabbitmq_tool,
    redis_process,
)
from tests.services import remove_delayed
from tests.waiting import until


class Broker(Protocol):
    """A broker, and what a cell has there."""

    port: int

    def url(self, port: int) -> str:
        """Return the URL by which one reaches it on a port, which may be a proxy's."""

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue, as far as the broker tells."""

    def dead(self, queue: str) -> int:
        """Count the dead letters of a queue."""

    def flush(self) -> None:
        """Forget all; where that can be done at once."""

    def fill(self) -> None:
        """Have no room for anything any more."""

    def make_room(self) -> None: ...

    def remove(self, *queues: str) -> int:
        """Remove queues; return how many messages waited for them elsewhere."""


class RedisServer:
    """A Redis that writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.node = redis_process(folder)
        assert self.node.ready()
        self.port: int = self.node.port

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    @contextmanager
    def client(self) -> Iterator[Any]:
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            yield client

    def kill(self) -> None:
        self.node._container.kill()

    def start(self) -> None:
        self.node._container.start()
        until(self.answers)

    def answers(self) -> bool:
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())  # not while it loads what it had
        return False

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def fill(self) -> None:
        self.may_have("1")

    def make_room(self) -> None:
        self.may_have("0")

    def may_have(self, size: str) -> None:
        """Set the bytes that it may have; 0 is any number. It evicts nothing."""
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", size)

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue, and those in the hands of workers."""
        with self.client() as client:
            names = (queue, *client.keys(f"{queue}\x06*"))
            return sum(int(client.llen(name)) for name in names) + int(client.hlen("unacked"))

    def dead(self, queue: str) -> int:
        with self.client() as client:
            return int(client.llen(f"{queue}.dead"))

    def remove(self, *queues: str) -> int:
        self.node._container.remove()
        return 0


class RabbitServer:
    """A node of RabbitMQ, which several cells may use."""

    def __init__(self, node: RabbitProcess) -> None:
        self.node = node
        self.port: int = node.port

    def url(self, port: int) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port}//"

    def kill(self) -> None:
        self.node._container.kill()

    def start(self) -> None:
        self.node._container.restart()
        assert self.node.ready()

    def fill(self) -> None:
        self.mark("1")

    def make_room(self) -> None:
        self.mark("4GB")

    def mark(self, size: str) -> None:
        """Set the memory from which on it blocks who publishes."""
        tool = rabbitmq_tool("rabbitmqctl") or missing("RabbitMQ")
        name = self.node._container.env["RABBITMQ_NODENAME"]
        command = [tool, "-n", name, "set_vm_memory_high_watermark", "absolute", size]
        code, said = self.node._container.exec_run(command)
        assert code == 0, said

    def waiting(self, queue: str) -> int:
        return self.count(queue)  # not what a worker has, or what is not due yet

    def dead(self, queue: str) -> int:
        return self.count(f"{queue}.dead")

    def count(self, queue: str) -> int:
        with Connection(self.url(self.port)) as connection:
            try:
                channel: Any = connection.default_channel
                return int(channel.queue_declare(queue, passive=True).message_count)
            except connection.channel_errors:
                return 0

    def remove(self, *queues: str) -> int:
        url = self.url(self.port)
        delayed = sum(remove_delayed(url, queue) for queue in queues)
        remove_queues(url, *(name for queue in queues for name in (queue, f"{queue}.dead")))
        return delayed


class Postgres:
    """A PostgreSQL with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.options |= {"start_new_session": True}
        self.lock, self.migrated = threading.Lock(), False
        self.port = free_port()
        binary = program("postgresql", "the matrix kills it")
        self.process = postgresql(folder, self.port, binary, self.options)
        # The system has what the process wrote, so what kills only this one needs no disk.
        self.command = [*self.process.args, "-c", "fsync=off"]
        self.settings = server_settings(
            "postgresql", f"postgresql://postgres@127.0.0.1:{self.port}"
        )
        self.settings["OPTIONS"] = {"connect_timeout": 3}

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        until(self.starts)

    def starts(self) -> bool:
        """Start it unless it runs; it ends at once while one that was killed leaves memory."""
        if self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, **self.options)
        with contextlib.suppress(psycopg.Error), self.connected("postgres"):
            return True
        return False

    def connected(self, name: str) -> Any:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname=name,
            connect_timeout=3,
            autocommit=True,
        )

    def create(self, name: str, migrate: Callable[[], object]) -> None:
        """Make a database with all tables; `migrate` makes them in the first one."""
        with self.lock, self.connected("postgres") as connection:
            if self.migrated:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE migrated')
                return
            connection.execute(f'CREATE DATABASE "{name}"')
            migrate()
            connection.execute(f'CREATE DATABASE migrated TEMPLATE "{name}"')
            self.migrated = True

    def unfinished(self, name: str) -> int:
        """Count the mails in the ledger of a database that are not finished."""
        return self.one(name, "due_at IS NOT NULL")

    def dead(self, name: str) -> int:
        return self.one(name, "state = 'dead'")

    def one(self, name: str, condition: str) -> int:
        with self.connected(name) as connection:
            query = f"SELECT count(*) FROM mailqueue_ledger_entry WHERE {condition}"
            return int(connection.execute(query).fetchone()[0])

    def notes(self, name: str) -> list[Note]:
        """Return what the ledger of a database knows of attempts."""
        query = (
            "SELECT message_id, attempt.kind, queue_id FROM mailqueue_ledger_attempt attempt"
            " JOIN mailqueue_ledger_entry entry ON entry.id = entry_id"
        )
        with self.connected(name) as connection:
            return [Note(*row) for row in connection.execute(query)]

    def text(self, name: str) -> str:
        """Return all that is in the tables of a database."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        with self.connected(name) as connection:
            names = [row[0] for row in connection.execute(tables)]
            rows = [row for each in names for row in connection.execute(f'TABLE "{each}"')]
        return "\n".join(map(repr, rows))


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def rabbit_server(folder: Path) -> Iterator[RabbitServer]:
    node = rabbitmq_process(folder)
    try:
        assert node.ready()
        yield RabbitServer(node)
    finally:
        node.stop()


@contextmanager
def postgres() -> Iterator[Postgres]:
    # Not in pytest's own folder: the server refuses to be root, and it is closed to others.
    with TemporaryDirectory(prefix="mailqueue-matrix-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()
