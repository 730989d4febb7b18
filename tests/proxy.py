"""A TCP proxy that can turn bad while it runs, by itself when something passes by.

What a fault swallowed never comes: when the fault ends, a connection that it took bytes from is
closed, since TCP would never hand on what came after a gap. What was held back goes on.
"""

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.procnodes import free_port


class Fault:
    """Nothing is wrong: all is passed on."""

    refuses = False  # who connects
    dials = True  # the server, for who connects

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        """Pass on what may be; return what is to be asked for again when the fault has changed."""
        flow.write(data)
        return b""


class Refuse(Fault):
    """The port is closed, and so is every connection."""

    refuses = True

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        flow.connection.cut()  # it had just come
        return b""


class BlackHole(Fault):
    """Who connects is accepted, and no byte goes anywhere."""

    dials = False

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        flow.lose()
        return b""


@dataclasses.dataclass
class OneWay(Fault):
    """What one side says is lost, what the other one says arrives."""

    client_is_heard: bool

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        if flow.from_client == self.client_is_heard:
            flow.write(data)
        else:
            flow.lose()
        return b""


@dataclasses.dataclass
class Stall(Fault):
    """After so many bytes of each side of a connection the rest waits until the fault ends."""

    after: int = 0

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        passes = max(0, self.after - flow.passed.get(self, 0))
        flow.write(data[:passes])
        flow.passed[self] = flow.passed.get(self, 0) + len(data[:passes])
        if data[passes:]:
            flow.proxy.wait(self)
        return data[passes:]

    __hash__ = object.__hash__


class Drip(Fault):
    """A byte a second."""

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        flow.write(data[:1])
        flow.proxy.wait(self, 1.0)
        return data[1:]


@dataclasses.dataclass
class CutOn(Fault):
    """When one side says this, the connection is closed.

    - ``forward``: the other side hears it, and what it answers is lost; else it never hears it.
    - ``times``: so many connections, one after the other; then ``then`` is the fault.
    """

    pattern: bytes
    from_client: bool = True
    forward: bool = False
    times: int = 1
    then: Fault = dataclasses.field(default_factory=Fault)

    def carry(self, data: bytes, flow: "Flow") -> bytes:
        if flow.from_client != self.from_client or self.pattern not in flow.tail + data:
            flow.tail = (flow.tail + data)[-len(self.pattern) + 1 or len(data) :]
            flow.write(data)
            return b""
        if self.forward:
            flow.write(data)
        if not isinstance(self.then, BlackHole):
            flow.connection.cut()
        flow.proxy.happened(self)
        return b""


class Connection:
    """A client, and the server that was dialled for it."""

    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.ends = [end for end in (client, server) if end]
        self.incomplete = False  # bytes of it were lost

    def cut(self) -> None:
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self.ends:
            end.close()


class Flow:
    """One direction of a connection."""

    def __init__(self, proxy: "Proxy", connection: Connection, from_client: bool) -> None:
        self.proxy, self.connection, self.from_client = proxy, connection, from_client
        self.passed: dict[Fault, int] = {}
        self.tail = b""
        self.heard = bytearray()  # by the sink, if the proxy keeps it
        self.times: list[tuple[int, float]] = []  # when it had heard so many bytes
        self.said: list[float] = []  # when the source said something
        ends = connection.ends if from_client else connection.ends[::-1]
        self.source, self.sink = ends[0], ends[-1]

    def run(self) -> None:
        try:
            while data := self.source.recv(65536):
                self.said.append(time.monotonic())
                while data:
                    data = self.proxy.fault.carry(data, self)
            if self.sink is not self.source:
                self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.connection.cut()  # the other one hears of it, too

    def write(self, data: bytes) -> None:
        if self.sink is self.source or self.connection.incomplete:
            self.lose()
        elif data:
            self.sink.sendall(data)
            if self.proxy.keeps:
                self.heard += data
                self.times.append((len(self.heard), time.monotonic()))

    def when(self, number: int) -> float:
        """Return when the sink had heard so many bytes."""
        return next(at for length, at in self.times if length >= number)

    def lose(self) -> None:
        self.connection.incomplete = True


class Proxy:
    """Forwards to a port of this machine; `keeps` in `flows` what each side heard."""

    def __init__(self, target: int, *, keeps: bool = False) -> None:
        self.target, self.keeps = target, keeps
        self.flows: list[Flow] = []
        self.fault = Fault()
        self.acted = threading.Event()  # a `CutOn` did what it was there for
        self.changed = threading.Condition()
        self.connections: set[Connection] = set()
        self.server = bound()
        self.port: int = self.server.getsockname()[1]
        self.open()

    def open(self) -> None:
        self.server.listen(512)
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def shut(self) -> None:
        """Refuse who connects: a port that is bound and not listened at is closed."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()

    def become(self, fault: Fault) -> None:
        """Go wrong in this way from now on."""
        with self.changed:
            before, self.fault = self.fault, fault
            self.changed.notify_all()
        if fault.refuses and not before.refuses:
            self.shut()
            self.cut()
        elif before.refuses and not fault.refuses:
            self.open()

    def heal(self) -> None:
        """Pass on again."""
        self.become(Fault())
        for connection in tuple(self.connections):
            if connection.incomplete:
                connection.cut()

    def happened(self, fault: CutOn) -> None:
        """Note that a fault did its work once; after the last time the next one takes its place."""
        with self.changed:
            fault.times -= 1
            if fault.times or self.fault is not fault:
                return
        self.become(fault.then)
        self.acted.set()

    def wait(self, fault: Fault, seconds: float | None = None) -> None:
        """Wait until another fault takes the place of this one, or for so long."""
        with self.changed:
            self.changed.wait_for(lambda: self.fault is not fault, seconds)

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        server = None
        if self.fault.dials:
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                return
        connection = Connection(client, server)
        connection.incomplete = server is None
        self.connections.add(connection)
        flows = [Flow(self, connection, True), *([Flow(self, connection, False)] if server else [])]
        self.flows += flows if self.keeps else []
        back = [threading.Thread(target=flow.run, daemon=True) for flow in flows[1:]]
        for thread in back:
            thread.start()
        flows[0].run()
        for thread in back:
            thread.join()
        self.connections.discard(connection)
        connection.close()

    def cut(self) -> None:
        """Close all connections."""
        for connection in tuple(self.connections):
            connection.cut()

    def close(self) -> None:
        """Cut all, and be gone."""
        with self.changed:
            self.fault = Refuse()
            self.changed.notify_all()
        self.shut()
        self.server.close()
        self.cut()


def bound() -> socket.socket:
    """Return a socket with a port of its own, which it keeps when nobody listens at it.

    That takes a port that was asked for by its number; somebody else may take it before.
    """
    while True:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", free_port()))
        except OSError:
            server.close()
        else:
            return server


@contextmanager
def proxy(target: int, *, keeps: bool = False) -> Iterator[Proxy]:
    one = Proxy(target, keeps=keeps)
    try:
        yield one
    finally:
        one.close()
