"""Read a message from its bytes as others may, without Python's email package.

`STRICT` knows the line ends that some mail software knows: CRLF, LF and CR. `LENIENT` knows all
of `str.splitlines()`, in UTF-8: what Python itself may take for one on the way.
"""

import base64
import binascii
import dataclasses
import quopri
import re
from collections import Counter
from collections.abc import Iterator

STRICT = re.compile(rb"\r\n|\n|\r")
LENIENT = re.compile(rb"\r\n|[\n\r\x0b\x0c\x1c\x1d\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]")
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
BOUNDARY = re.compile(rb"boundary=(?:\"([^\"]*)\"|([^;\s]+))", re.IGNORECASE)


@dataclasses.dataclass
class Part:
    """A part: the names of its headers, and what is in it."""

    names: Counter[str]
    parts: "list[Part]"
    content: bytes = b""

    def walk(self) -> "Iterator[Part]":
        yield self
        for part in self.parts:
            yield from part.walk()


def read(data: bytes, breaks: re.Pattern[bytes]) -> Part:
    """Read a message or a part; a line that is no header ends the headers."""
    headers: list[list[bytes]] = []
    start = 0
    while start < len(data):
        found = breaks.search(data, start)
        end, after = found.span() if found else (len(data), len(data))
        line = data[start:end]
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1][1] += line
        elif name := FIELD.match(line):
            headers.append([name[1].lower(), line[name.end() :]])
        else:
            start = start if line else after
            break
        start = after
    names = Counter(name.decode() for name, _ in headers)
    values = {bytes(name): value.strip() for name, value in reversed(headers)}
    return _body(names, values, data[start:], breaks)


def _body(
    names: Counter[str], values: dict[bytes, bytes], body: bytes, breaks: re.Pattern[bytes]
) -> Part:
    kind = values.get(b"content-type", b"text/plain").lower()
    boundary = BOUNDARY.search(values.get(b"content-type", b""))
    if kind.startswith(b"multipart/") and boundary:
        delimiter = re.escape(boundary[1] or boundary[2] or b"")
        pieces = re.split(rb"(?:\A|\r\n|\n|\r)--%b(?:--)?[ \t]*(?=\r|\n|\Z)" % delimiter, body)
        inner = [re.sub(rb"\A(?:\r\n|\n|\r)", b"", piece) for piece in pieces[1:-1]]
        return Part(names, [read(piece, breaks) for piece in inner])
    if kind.startswith(b"message/rfc822"):
        return Part(names, [read(body, breaks)])
    return Part(names, [], _decoded(body, values.get(b"content-transfer-encoding", b"")))


def _decoded(body: bytes, encoding: bytes) -> bytes:
    if encoding.lower() == b"base64":
        try:
            return base64.b64decode(body)
        except binascii.Error:
            return body
    return quopri.decodestring(body) if encoding.lower() == b"quoted-printable" else body
