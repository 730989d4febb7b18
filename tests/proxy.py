"""A TCP proxy that can turn bad: pass on, swallow everything, refuse, or cut.

It can do so by itself, when something that a test waits for passes by.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Forwards to a port of this machine; `mode` is "pass", "stall" or "refuse"."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode = "pass"
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.open: list[socket.socket] = []
        # When the client says this, it is passed on, and from then on `fate` is the mode.
        self.fatal: bytes | None = None
        self.fate = "refuse"
        self.fell = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.open.append(client)
            if self.mode == "refuse":
                self.cut()
            elif self.mode == "pass":
                upstream = socket.create_connection(("127.0.0.1", self.target))
                self.open.append(upstream)
                for pair in ((client, upstream, True), (upstream, client, False)):
                    threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.mode == "pass":
                    sink.sendall(data)
                    if is_client and self.fatal and self.fatal in data:
                        self.fall()
            sink.shutdown(socket.SHUT_WR)

    def fall(self) -> None:
        """Be silent, or cut and refuse, until `mode` is "pass" again."""
        self.fatal = None
        self.mode = self.fate
        if self.fate == "refuse":
            self.cut()
        self.fell.set()

    def cut(self) -> None:
        """Close all connections."""
        while self.open:
            one = self.open.pop()
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self.server.close()
        self.cut()


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    one = Proxy(target)
    try:
        yield one
    finally:
        one.close()
