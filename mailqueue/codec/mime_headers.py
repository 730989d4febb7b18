"""Header names and values of MIME objects as data. Pure.

A value is text as it was read from a source, a header that Python's modern API has parsed, or a
`Header` of the older one.
"""

import contextlib
import email.errors
import email.header
import email.policy
import itertools
import re
from email.header import Header
from email.headerregistry import BaseHeader
from typing import Any

from mailqueue.errors import DecodeError, EncodeError
from mailqueue.mail.headers import FIELD_NAME, LINE_BREAK
from mailqueue.wire.fields import Fields, pair_of, typed

FOLDED = re.compile("(?:[^\n-\r\x1c-\x1e\x85\u2028\u2029]|\r?\n[ \t])*")  # may be in a source

WIDE = email.policy.SMTPUTF8.clone(max_line_length=None, linesep="\n")
# Python's parser calls itself for a comment in a comment; nobody writes that many.
COMMENTS = 100
NARROW = (email.policy.default, email.policy.default.clone(utf8=True))


def encode_name(name: object, where: str) -> str:
    """Return the name of a header; Python lets names pass that forge other headers."""
    if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
        raise EncodeError(f"{where}: a header name that RFC 5322 does not allow")
    return str(name)


def decode_name(name: object, where: str) -> str:
    """Return the name of a header, checked again: what could be queued may not be what arrives."""
    if type(name) is not str or not FIELD_NAME.fullmatch(name):
        raise DecodeError(f"{where}: a header name that RFC 5322 does not allow")
    return name


def encode_header(name: str, value: Any, where: str) -> Any:
    """Return the stored value of a header as data."""
    if isinstance(value, BaseHeader):
        return {"parsed": _source(name, value, where)}
    if isinstance(value, Header):
        return _encode_chunks(name, value, where)
    if not isinstance(value, str):
        raise EncodeError(f"{where}: a header of type {type(value).__name__}")
    if not FOLDED.fullmatch(value):
        raise EncodeError(f"{where}: a header with a line break")
    return str(value)


def decode_header(name: str, data: object, where: str) -> Any:
    """Return the value to store in a part."""
    if type(data) is str:
        if not FOLDED.fullmatch(data):
            raise DecodeError(f"{where}: a header with a line break")
        return data
    fields = Fields(data, where)
    if "parsed" in fields:
        parsed = fields.take("parsed", str)
        fields.end()
        return _parse(name, parsed, where)
    chunks = [_chunk(chunk, where) for chunk in fields.take("chunks", list)]
    named = fields.take("named", bool)
    fields.end()
    try:
        made = email.header.make_header(chunks, header_name=name if named else None)
        broken = not FOLDED.fullmatch(str(made))
    except (LookupError, ValueError, email.errors.MessageError):
        raise DecodeError(f"{where}: not a valid header") from None
    if broken:
        raise DecodeError(f"{where}: a header with a line break")
    return made


def _source(name: str, header: BaseHeader, where: str) -> str:
    """Return a text that parses to an equal header; equal is what folds to the same lines."""
    if LINE_BREAK.search(str(header)):  # from an encoded word
        raise EncodeError(f"{where}: a header with a line break")
    wide = _fold(header, WIDE)[len(header.name) + 1 :].strip("\r\n").removeprefix(" ")
    if len(name) + len(wide) < 76 and wide.isascii() and "=?" not in wide and wide == header:
        return wide  # Short and plain: any parse of it folds to itself.
    looks = _looks(header)
    for source in (wide, str(header)):
        with contextlib.suppress(DecodeError):
            if _looks(_parse(header.name, source, where)) == looks:
                return source
    raise EncodeError(f"{where}: a parsed header that cannot be parsed again")


def _looks(header: Any) -> list[str]:
    return [str(header), *(_fold(header, policy) for policy in NARROW)]


def _fold(header: Any, policy: Any) -> str:
    try:
        folded: str = header.fold(policy=policy)
    except Exception as error:  # noqa: BLE001 (Python's folding fails in many ways; so will ours)
        return type(error).__name__
    return folded


def _parse(name: str, source: str, where: str) -> Any:
    if LINE_BREAK.search(source):
        raise DecodeError(f"{where}: a header with a line break")
    if source.count("(") > COMMENTS and _comments(source) > COMMENTS:
        raise DecodeError(f"{where}: comments nested deeper than {COMMENTS}")
    try:
        header = email.policy.default.header_factory(name, source)
    except (ValueError, LookupError, email.errors.HeaderParseError, AttributeError, TypeError):
        raise DecodeError(f"{where}: not a valid header") from None
    if LINE_BREAK.search(str(header)):
        raise DecodeError(f"{where}: a header with a line break")
    return header


def _comments(source: str) -> int:
    """Return how deeply comments may be nested, whatever is quoted."""
    return max(itertools.accumulate((char == "(") - (char == ")") for char in source))


def _encode_chunks(name: str, header: Header, where: str) -> dict[str, Any]:
    if not FOLDED.fullmatch(str(header)):
        raise EncodeError(f"{where}: a header with a line break")
    chunks = email.header.decode_header(header)
    expected = header.encode(maxlinelen=78)
    for named in (True, False):
        again = email.header.make_header(chunks, header_name=name if named else None)
        if again.encode(maxlinelen=78) == expected:
            return {
                "chunks": [[_latin1(text), charset] for text, charset in chunks],
                "named": named,
            }
    raise EncodeError(f"{where}: a Header object with a charset of its own")


def _latin1(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


def _chunk(data: object, where: str) -> tuple[bytes, str | None]:
    text, charset = pair_of(data, where)
    if charset is not None:
        typed(charset, str, where)
    try:
        return typed(text, str, where).encode("latin-1"), charset
    except UnicodeEncodeError:
        raise DecodeError(f"{where}: expected bytes as latin-1 text") from None
