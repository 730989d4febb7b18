"""SMTP servers that are slow, or silent."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

from mailqueue.demo.sink import Dialogue, Sink


class Slow(Sink):
    """Takes its time for each mail, after the final dot."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def handle_DATA(self, server: Dialogue, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.seconds)
        return await super().handle_DATA(server, session, envelope)


class Mute(Sink):
    """Takes the first mail to each of some recipients and never says so; answers all others."""

    def __init__(self, *recipients: str) -> None:
        super().__init__()
        self.left = set(recipients)

    async def handle_DATA(self, server: Dialogue, session: Any, envelope: Any) -> str:  # noqa: N802
        reply = await super().handle_DATA(server, session, envelope)
        if met := self.left.intersection(envelope.rcpt_tos):
            self.left -= met
            await asyncio.sleep(3600)
        return reply


class Dripping:
    """Greets with a byte a second, in a line that never ends; used as a context manager."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.connections = 0
        self.over = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                self.connections += 1
                threading.Thread(target=self.drip, args=[client], daemon=True).start()

    def drip(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.sendall(b"220 ")
            while not self.over.wait(1):
                client.sendall(b"x")

    def __enter__(self) -> "Dripping":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.over.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
