"""A fast SMTP server that takes all and keeps nothing, some round trip away; run as a script.

    python smtp_sink.py MILLISECONDS [EXTENSION...]

It prints its port. What it reads counts as come only after the round trip, so that a client
waits as long as if the way took half of it in each direction.
"""

import asyncio
import sys
from collections import deque


class Sink(asyncio.Protocol):
    """One connection."""

    delay = 0.0
    greeting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.late: deque[bytes] = deque()
        self.input = b""
        self.in_data = False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        if not self.delay:
            self.handle(data)
            return
        self.late.append(data)
        self.loop.call_later(self.delay, lambda: self.handle(self.late.popleft()))

    def handle(self, data: bytes) -> None:
        self.input += data
        answers: list[bytes] = []
        while self.step(answers):
            pass
        if answers and not self.transport.is_closing():
            self.transport.write(b"".join(answers))

    def step(self, answers: list[bytes]) -> bool:
        if self.in_data:
            _, dot, rest = self.input.partition(b"\r\n.\r\n")
            if dot:
                self.in_data, self.input = False, rest
                answers.append(b"250 2.0.0 Ok: queued as 4F1C2\r\n")
            return bool(dot)
        end = self.input.find(b"\r\n")
        if end < 0:
            return False
        line, start = self.input[:end], end + 2
        verb = line[:4].upper()
        if verb == b"BDAT":
            start += int(line.split()[1])
            if len(self.input) < start:
                return False
            answers.append(b"250 2.0.0 Ok: queued as 4F1C2\r\n")
        elif verb == b"DATA":
            self.in_data = True
            answers.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        elif verb in (b"EHLO", b"HELO"):
            answers.append(self.greeting)
        elif verb == b"QUIT":
            self.transport.close()
        else:
            answers.append(b"250 2.1.0 Ok\r\n")
        self.input = self.input[start:]
        return True


async def main(milliseconds: float, *extensions: str) -> None:
    Sink.delay = milliseconds / 1000
    lines = ["250-sink", *(f"250-{name}" for name in extensions), "250 HELP", ""]
    Sink.greeting = "\r\n".join(lines).encode()
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), *sys.argv[2:]))
