"""Answers of a server, from bytes (RFC 5321 section 4.2.1). Pure."""

import re
import smtplib
from dataclasses import dataclass, field

# Of one answer; its lines are 512 bytes by RFC 5321 section 4.5.3.1.5.
MOST_BYTES = 65536
MOST_LINES = 512

_LINE = re.compile(rb"[2-5]\d\d(?:[ -]|$)")


class OutOfStep(smtplib.SMTPException):
    """An answer came that the command cannot have: it belongs to another one."""


class Garbled(OutOfStep):
    """What came is no answer at all."""


class Closing(smtplib.SMTPResponseException):
    """The server answered 421: what it has not answered, it will not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; the lines of `text` are without their codes."""

    code: int
    text: bytes = field(repr=False)  # servers quote addresses


class Replies:
    """The answers that have come and were not taken yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lines: list[bytes] = []  # of the answer that is not there whole
        self._code = b""
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether anything has come that was not taken."""
        return bool(self._bytes or self._lines)

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        self._bytes += data

    def take(self) -> Reply | None:
        """Return the next answer, or None until it has come whole; raise Garbled for garbage."""
        while (end := self._bytes.find(b"\n")) >= 0:
            line = bytes(self._bytes[:end]).removesuffix(b"\r")
            del self._bytes[: end + 1]
            self._size += end + 1
            self._check(line)
            self._code = line[:3]
            self._lines.append(line[4:])
            if line[3:4] != b"-":
                reply = Reply(int(self._code), b"\n".join(self._lines))
                self._lines, self._code, self._size = [], b"", 0
                return reply
        if self._size + len(self._bytes) > MOST_BYTES or len(self._lines) > MOST_LINES:
            raise Garbled(f"expected a reply, got more than {MOST_BYTES} bytes or so many lines")
        return None

    def _check(self, line: bytes) -> None:
        if self._size > MOST_BYTES or len(self._lines) >= MOST_LINES:
            raise Garbled(f"expected a reply, got more than {MOST_BYTES} bytes or so many lines")
        # A bare CR may hide the end of one answer and the start of the next.
        if not _LINE.match(line) or b"\r" in line:
            raise Garbled("expected a reply code, got something else")
        if self._code and line[:3] != self._code:
            raise Garbled("expected one code in all lines of a reply, got two")
