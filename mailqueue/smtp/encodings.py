"""Content transfer encodings (RFC 2045 section 6), as Python's email package writes them.

That has a step in Python for each character of quoted-printable, and for each line of base64.
"""

from binascii import b2a_base64, b2a_qp
from struct import unpack

LINE = 78  # octets; RFC 5322 section 2.1.1
SNIFFED = 10  # lines by which the encoding is chosen
RAW = LINE // 4 * 3  # octets of a line of base64 before they are encoded
CRLF = b"\r\n"
SOFT = b"=\n"
EQUALS, BLANKS = ord("="), b" \t"


def text(content: str, *, eight_bit: bool) -> tuple[str, bytes]:
    """Return the encoding chosen for a text in UTF-8, and the text in it, lines ended by CRLF.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    lines = content.encode("utf-8").splitlines()
    if max(map(len, lines), default=0) <= LINE and (eight_bit or content.isascii()):
        return "7bit" if content.isascii() else "8bit", CRLF.join(lines) + CRLF
    sniffed = CRLF.join(lines[:SNIFFED]) + CRLF
    quoted = quoted_printable(lines[:SNIFFED])
    # A line end of quoted-printable counts as one there, and base64 has one in all.
    if sum(map(len, quoted)) + len(quoted) > len(b2a_base64(sniffed)):
        return "base64", base64(CRLF.join(lines) + CRLF)
    quoted += quoted_printable(lines[SNIFFED:])
    return "quoted-printable", CRLF.join(quoted) + CRLF


def base64(content: bytes | bytearray | memoryview) -> bytes:
    """Return binary content in lines of base64."""
    encoded = b2a_base64(content, newline=False)
    width = RAW // 3 * 4
    whole, rest = divmod(len(encoded), width)
    lines = unpack(f"{width}s" * whole + f"{rest}s", encoded)  # a step in Python a line is slower
    return CRLF.join(lines) + (CRLF if rest else b"")


def quoted_printable(lines: list[bytes]) -> list[bytes]:
    """Return lines in quoted-printable, broken softly where they are too long."""
    return [piece for line in lines for piece in broken(quoted(line))]


def quoted(line: bytes) -> bytes:
    """Quote a line, and leave it in one piece, its end as it is."""
    # `b2a_qp` breaks lines elsewhere, and quotes a blank or a dot at an end or before NUL.
    pieces = [b2a_qp(piece + b"x").replace(SOFT, b"")[:-1] for piece in line.split(b"\0")]
    return b"=00".join(pieces)


def broken(line: bytes) -> list[bytes]:
    """Break one quoted line; no line may end in a blank, nor within what is quoted."""
    pieces = []
    start, end = 0, len(line)
    while end - start > LINE:
        stop = start + LINE - 1
        if line[stop - 2] == EQUALS:
            stop -= 2
        elif line[stop - 1] == EQUALS:
            stop -= 1
        pieces.append(line[start:stop] + b"=")
        start = stop
    rest = line[start:]
    if rest[-1:] and rest[-1:] in BLANKS:
        room = LINE + 1 - len(rest)
        blank = b"=%02X" % rest[-1]
        if room >= 3:
            return [*pieces, rest[:-1] + blank]
        if room == 2:
            return [*pieces, rest + b"=", b""]
        return [*pieces, rest[:-1] + b"=", blank]
    return [*pieces, rest]
