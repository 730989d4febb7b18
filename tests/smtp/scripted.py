"""An SMTP server that offers PIPELINING and CHUNKING, and misbehaves as it is told."""

import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

HANG_UP = b"<hang up>"
KEEP_AND_HANG_UP = b"<keep the mail, hang up>"
SILENCE = b"<silence>"  # no answer to this command, but to the next ones
STALL = b"<stall>"  # no answer any more, the connection stays

EVERYTHING = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "SIZE 1000000", "STARTTLS")
NO_COMMAND = (b"500", b"501", b"502", b"503", b"504", b"555")
DEFAULTS = {
    "greeting": b"220 scripted",
    "MAIL": b"250 2.1.0 ok",
    "RCPT": b"250 2.1.5 ok",
    "DATA": b"354 go on",
    "RSET": b"250 2.0.0 ok",
    "NOOP": b"250 2.0.0 ok",
    "QUIT": b"221 2.0.0 bye",
    "STARTTLS": b"454 4.7.0 no TLS here",
    "AUTH": b"235 2.7.0 ok",
}


@dataclass(frozen=True)
class Taken:
    """A mail that was taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    connection: int
    parameters: str = ""


@dataclass
class Dialogue:
    """The state of one connection."""

    number: int
    sender: str | None = None
    parameters: str = ""
    recipients: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.sender, self.recipients = None, []


Script = Callable[[str, str, int], bytes | None]
# (which answer of the first connection, counted from MAIL on; the answer) -> what goes out for it
Tamper = Callable[[int, bytes], list[bytes]]


class Server(socketserver.ThreadingTCPServer):
    """``script(verb, argument, connection)`` answers a command, or None as usual.

    Verbs are those of SMTP, "greeting", and "DOT" for the end of a message (also by BDAT).
    ``commands`` are all that came; with `deaf`, what came behind the first of several is dropped.
    """

    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True

    def __init__(
        self,
        script: Script | None = None,
        extensions: tuple[str, ...] = EVERYTHING,
        *,
        deaf: bool = False,
        tamper: Tamper | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script or (lambda verb, argument, connection: None)
        self.extensions = extensions
        self.deaf = deaf
        self.tamper = tamper
        self.answers = 0
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.lines: list[str] = []  # the same as they came
        self.connections = 0
        self.sockets: list[socket.socket] = []
        self.port: int = self.server_address[1]

    def __enter__(self) -> "Server":
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        for sock in self.sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    def copies(self) -> list[str]:
        """Name each recipient once for each mail that it got."""
        return sorted(recipient for mail in self.taken for recipient in mail.recipients)


class Handler(socketserver.BaseRequestHandler):
    server: Server

    def setup(self) -> None:
        self.server.connections += 1
        self.server.sockets.append(self.request)
        self.dialogue = Dialogue(self.server.connections)
        self.input = b""
        self.said = b""
        self.chunks = b""
        self.stalled = self.must_reset = self.begun = False

    def handle(self) -> None:
        try:
            if not self.answer("greeting", ""):
                return
            while (line := self.line()) is not None:
                if not self.command(line):
                    return
        except OSError:
            return

    def command(self, line: str) -> bool:
        verb, space, argument = line.partition(" ")
        verb = verb.upper()
        self.server.lines.append(line)
        self.server.commands.append(f"{verb}{space}{argument}")
        self.begun = self.begun or verb == "MAIL"
        if verb in ("EHLO", "HELO"):
            lines = ["250-scripted", *(f"250-{each}" for each in self.server.extensions)]
            return self.say("\r\n".join([*lines, "250 HELP"]).encode())
        if verb == "BDAT":
            scripted = self.server.script("BDAT", argument, self.dialogue.number)
            if scripted is not None and scripted[:3] in NO_COMMAND:
                return self.say(scripted)  # and reads what follows as commands
            content = self.exactly(int(argument.split()[0]))
            if content is None:
                return False
            if scripted is not None:
                return self.say(scripted)
            self.chunks += content
            if "LAST" not in argument:
                taken = b"250 2.0.0 taken" if self.dialogue.recipients else b"503 RCPT first"
                return self.say(taken)
            content, self.chunks = self.chunks, b""
            going_on = self.message("DOT", content)
            self.must_reset = not self.said.startswith(b"2")  # as RFC 3030 section 2 allows
            return going_on
        if verb == "MAIL" and (self.dialogue.sender is not None or self.must_reset):
            return self.say(b"503 5.5.1 RSET first")
        if verb == "RCPT" and self.dialogue.sender is None:
            return self.say(b"503 5.5.1 MAIL first")
        if verb == "DATA" and not self.dialogue.recipients:
            return self.answer("DATA", argument, default=b"554 5.5.1 no valid recipients")
        going_on = self.answer(verb, argument)
        if verb == "DATA" and self.said.startswith(b"354"):
            content = self.dotted()
            return content is not None and self.message("DOT", content)
        return going_on and verb != "QUIT"

    def message(self, verb: str, content: bytes) -> bool:
        usual = b"250 2.0.0 Ok: queued as %d" % (len(self.server.taken) + 1)
        if not self.dialogue.recipients:
            usual = b"554 5.5.1 no valid recipients"
        self.said = reply = self.decide(verb, " ".join(self.dialogue.recipients), usual)
        if reply.startswith(b"2") or reply == KEEP_AND_HANG_UP:
            self.server.taken.append(  # before the answer, after which tests look
                Taken(
                    self.dialogue.sender or "",
                    tuple(self.dialogue.recipients),
                    content,
                    self.dialogue.number,
                    self.dialogue.parameters,
                )
            )
        self.dialogue.clear()
        return self.say(reply)

    def answer(self, verb: str, argument: str, default: bytes | None = None) -> bool:
        """Send the scripted answer, or the usual one; False when the connection ends here."""
        self.said = self.decide(verb, argument, default)
        if self.said.startswith(b"2"):
            self.note(verb, argument)
        return self.say(self.said)

    def decide(self, verb: str, argument: str, default: bytes | None) -> bytes:
        scripted = self.server.script(verb, argument, self.dialogue.number)
        return default or DEFAULTS.get(verb, b"502 5.5.2 what") if scripted is None else scripted

    def note(self, verb: str, argument: str) -> None:
        address, _, parameters = argument.partition(":")[2].partition(" ")
        if verb == "MAIL":
            self.dialogue.clear()
            self.dialogue.sender, self.dialogue.parameters = address.strip("<>"), parameters
        elif verb == "RCPT":
            self.dialogue.recipients.append(address.strip("<>"))
        elif verb == "RSET":
            self.dialogue.clear()
            self.chunks, self.must_reset = b"", False

    def say(self, text: bytes) -> bool:
        self.stalled = self.stalled or text == STALL
        if self.stalled or text in (HANG_UP, KEEP_AND_HANG_UP, SILENCE):
            return text not in (HANG_UP, KEEP_AND_HANG_UP)
        for data in self.tampered(text + b"\r\n"):
            self.request.sendall(data)
        if self.server.deaf:
            self.input = b""
        return not text.startswith(b"421")

    def tampered(self, data: bytes) -> list[bytes]:
        first = self.dialogue.number == 1 and self.begun
        if self.server.tamper is None or not first:
            return [data]
        self.server.answers += 1
        return self.server.tamper(self.server.answers - 1, data)

    def line(self) -> str | None:
        while b"\r\n" not in self.input:
            if not self.more():
                return None
        line, self.input = self.input.split(b"\r\n", 1)
        return line.decode()

    def exactly(self, size: int) -> bytes | None:
        while len(self.input) < size:
            if not self.more():
                return None
        content, self.input = self.input[:size], self.input[size:]
        return content

    def dotted(self) -> bytes | None:
        while b"\r\n.\r\n" not in b"\r\n" + self.input:
            if not self.more():
                return None
        content, self.input = (b"\r\n" + self.input).split(b"\r\n.\r\n", 1)
        return (content + b"\r\n").replace(b"\r\n..", b"\r\n.")[2:]

    def more(self) -> bool:
        data: Any = self.request.recv(65536)
        self.input += data
        return bool(data)
