"""Answers of a server, from bytes (RFC 5321 section 4.2.1). Pure."""

import re
import smtplib
from typing import NamedTuple

MOST_BYTES = 65536  # of one answer; lines are 512 bytes by RFC 5321 section 4.5.3.1.5

_LINE = re.compile(rb"[2-5]\d\d(?:[ -]|$)")


class OutOfStep(smtplib.SMTPException):
    """An answer came that the command cannot have: it belongs to another one."""


class Garbled(OutOfStep):
    """What came is no answer at all."""


class Reply(NamedTuple):
    """One answer; the lines of `text` are without their codes."""

    code: int
    text: bytes


class Replies:
    """The answers that have come and were not taken yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        self._bytes += data

    def take(self) -> Reply | None:
        """Return the next answer, or None until it has come whole; raise Garbled for garbage."""
        lines, start = [], 0
        while (end := self._bytes.find(b"\n", start)) >= 0:
            line = bytes(self._bytes[start:end]).rstrip(b"\r")
            if not _LINE.match(line):
                raise Garbled("expected a reply code, got something else")
            lines.append(line[4:])
            start = end + 1
            if line[3:4] != b"-":
                del self._bytes[:start]
                return Reply(int(line[:3]), b"\n".join(lines))
        if len(self._bytes) > MOST_BYTES:
            raise Garbled(f"expected a reply, got more than {MOST_BYTES} bytes")
        return None
