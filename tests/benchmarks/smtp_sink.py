"""A fast SMTP server that takes all, keeps nothing and counts; run as a script.

    python smtp_sink.py MILLISECONDS [EXTENSION...]

It prints its port. What it reads counts as come only after the round trip, so that a client
waits as long as if the way took half of it in each direction; the greeting comes after two, since
TCP needs one for itself. Who says `COUNT` hears how many mails were taken; who says `WHEN 7` hears
when the seventh was: seconds of the clock `time.monotonic`, which the processes of a machine share.
"""

import heapq
import itertools
import selectors
import socket
import sys
import time
from array import array
from typing import Any

ACCEPTED = b"250 2.0.0 Ok: queued as 4F1C2\r\n"


class Sink:
    """The server and what it counts."""

    def __init__(self, delay: float, extensions: list[str]) -> None:
        self.delay = delay
        lines = ["250-sink", *(f"250-{name}" for name in extensions), "250 HELP", ""]
        self.features = "\r\n".join(lines).encode()
        self.times = array("d")  # when each mail was taken
        self.late: list[tuple[float, int, Dialogue, bytes | None]] = []
        self.order = itertools.count()
        self.selector = selectors.DefaultSelector()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.selector.register(self.server, selectors.EVENT_READ)
        self.port = self.server.getsockname()[1]

    def serve(self) -> None:
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
            for key, _ in self.selector.select(wait):
                if key.data is None:
                    self.connect()
                else:
                    self.read(key.data)
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, dialogue, data = heapq.heappop(self.late)
                dialogue.heard(data)

    def connect(self) -> None:
        client, _ = self.server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialogue = Dialogue(self, client)
        self.selector.register(client, selectors.EVENT_READ, dialogue)
        self.after(2 * self.delay, dialogue, None)

    def read(self, dialogue: "Dialogue") -> None:
        try:
            data = dialogue.client.recv(2**18)
        except OSError:
            data = b""
        if data:
            self.after(self.delay, dialogue, data)
        else:
            self.selector.unregister(dialogue.client)
            dialogue.client.close()

    def after(self, seconds: float, dialogue: "Dialogue", data: bytes | None) -> None:
        if seconds:
            due = time.monotonic() + seconds
            heapq.heappush(self.late, (due, next(self.order), dialogue, data))
        else:
            dialogue.heard(data)

    def accepted(self) -> bytes:
        self.times.append(time.monotonic())
        return ACCEPTED


class Dialogue:
    """One connection: `chunk` bytes of a BDAT are still to come, or `in_data`, or commands."""

    def __init__(self, sink: Sink, client: socket.socket) -> None:
        self.sink, self.client = sink, client
        self.rest, self.chunk, self.last, self.in_data = b"", 0, False, False

    def heard(self, data: bytes | None) -> None:
        answer = b"220 sink\r\n" if data is None else b"".join(self.answers(data))
        if answer:
            try:
                self.client.sendall(answer)
            except OSError:
                return  # it has gone; its end is read next

    def answers(self, data: bytes) -> list[bytes]:
        given: list[bytes] = []
        data, at = self.rest + data, 0
        while True:
            if self.chunk:
                taken = min(self.chunk, len(data) - at)
                self.chunk -= taken
                at += taken
                if self.chunk:
                    break
                given.append(self.chunk_ended())
            end = data.find(b"\r\n.\r\n" if self.in_data else b"\r\n", at)
            if end < 0:
                at = max(at, len(data) - 4) if self.in_data else at
                break
            if self.in_data:
                self.in_data, at = False, end + 5
                given.append(self.sink.accepted())
                continue
            given.append(self.command(data[at:end]))
            # The line end of DATA may be the first half of an empty message's end.
            at = end if self.in_data else end + 2
        self.rest = data[at:]
        return given

    def chunk_ended(self) -> bytes:
        return self.sink.accepted() if self.last else b"250 2.0.0 Ok\r\n"

    def command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"BDAT":
            words = line.split()
            self.chunk, self.last = int(words[1]), len(words) > 2
            return b"" if self.chunk else self.chunk_ended()
        if verb == b"DATA":
            self.in_data = True
            return b"354 End data with <CR><LF>.<CR><LF>\r\n"
        if verb in (b"EHLO", b"HELO"):
            return self.sink.features
        if verb == b"COUN":
            return f"250 {len(self.sink.times)}\r\n".encode()
        if verb == b"WHEN":
            return f"250 {self.sink.times[int(line.split()[1]) - 1]!r}\r\n".encode()
        return b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.1.0 Ok\r\n"


def main(milliseconds: str, *extensions: Any) -> None:
    sink = Sink(float(milliseconds) / 1000, list(extensions))
    print(sink.port, flush=True)
    sink.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
