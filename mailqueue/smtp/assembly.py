"""Common mail written directly: the same bytes as Django and Python's email package give.

They build a tree of objects for each mail, and parse each header to write it. Here the parts are
put together; whatever is not common takes their way.
"""

import random
import re
import sys
from collections.abc import Iterator, Sequence
from email.message import EmailMessage as Part
from email.policy import EmailPolicy
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from mailqueue.codec.classes import traits
from mailqueue.codec.preflight import TEXTS
from mailqueue.smtp.encodings import CRLF, base64, text

CHARSET = "utf-8"
MIME_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
OCTETS = "application/octet-stream"
ADDRESSED = {"from", "to", "cc", "reply-to"}
# Of some Python allows but one, and some belong to the content.
UNCOMMON = re.compile(r"subject|sender|bcc|mime-version|content-.*|resent-.*")
VERSION = b"MIME-Version: 1.0\r\n"

# Values that are written as they are, whatever they are parsed to.
LINE = 78  # characters of a header that is not folded
_WORD = r"[A-Za-z0-9]+"
_SPEC = rf"{_WORD}(?:[.+_-]{_WORD})*@{_WORD}(?:[.-]{_WORD})*"
_ADDRESS = re.compile(rf"{_SPEC}|{_WORD}(?: {_WORD})* <{_SPEC}>")
AS_THEY_ARE = {
    "Subject": re.compile(r"(?!.*=\?)[!-~]+(?: [!-~]+)*"),
    "From": _ADDRESS,
    "To": _ADDRESS,
    "Message-ID": re.compile(rf"<{_SPEC}>"),
}

Written = tuple[bytes, list[bytes]]
"""The headers of a part, each with its line end, and the pieces of its content, which has one."""


def assembled(message: EmailMessage, policy: "EmailPolicy[Any]") -> bytes | None:
    """Return a message as it is sent; None if it is not common.

    Raises what Python's email package raises for a header.
    """
    if not is_common(message):
        return None
    try:
        head, body = content(message, policy)
    except UncommonError:
        return None
    fields = (field(name, value, policy) for name, value in header_fields(message))
    return b"".join([head, *fields, CRLF, *body])


class UncommonError(Exception):
    """Tells that a message is left to Django and Python's email package."""


def is_common(message: EmailMessage) -> bool:
    """Tell whether a message has nothing that needs more than is done here."""
    headers = message.extra_headers
    names = {name.lower() for name in headers}
    addresses = (*message.to, *message.cc, *message.reply_to, message.from_email)
    return (
        not traits(message).renders
        and not hasattr(message, "mixed_subtype")
        and not hasattr(message, "alternative_subtype")
        and (message.encoding or settings.DEFAULT_CHARSET) == CHARSET
        and message.body != ""
        and len(names) == len(headers)
        and names >= {"date", "message-id"}
        and not any(map(UNCOMMON.fullmatch, names))
        and all(type(value) in TEXTS for value in (message.body, *headers.values()))
        and all(type(each) is str and each.isascii() for each in addresses)
        and all(headers[name].isascii() for name in headers if name.lower() in ADDRESSED)
    )


def header_fields(message: EmailMessage) -> Iterator[tuple[str, str]]:
    """Yield the headers in the order in which Django sets them, but for those of the content."""
    given = message.extra_headers
    yield "Subject", str(message.subject)
    yield "From", given.get("From", message.from_email)
    for name, values in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if name in given:
            yield name, given[name]
        elif values:
            yield name, ", ".join(values)
    for name, value in given.items():
        if name.lower() not in ADDRESSED:
            yield name, value


def field(name: str, value: str, policy: "EmailPolicy[Any]") -> bytes:
    """Return one header with its line end."""
    pattern = AS_THEY_ARE.get(name)
    if pattern and len(name) + len(": ") + len(value) <= LINE and pattern.fullmatch(value):
        return f"{name}: {value}\r\n".encode("ascii")
    return policy.fold_binary(*policy.header_store_parse(name, value))


def content(message: Any, policy: "EmailPolicy[Any]") -> Written:
    """Return the content of a message."""
    written = text_part(message.body, f"text/{message.content_subtype}", policy)
    alternatives = getattr(message, "alternatives", ())
    if not alternatives and not message.attachments:
        return written
    head, body = written
    written = head.removesuffix(VERSION), body
    if alternatives:
        others = [text_part(each[0], each[1], policy) for each in alternatives]
        written = multipart("alternative", [written, *others])
    if message.attachments:
        others = [attached(each, policy) for each in message.attachments]
        written = multipart("mixed", [written, *others])
    head, body = written
    return VERSION + head, body


def multipart(subtype: str, parts: Sequence[Written]) -> Written:
    """Put parts together (RFC 2046 section 5.1.1)."""
    boundary = b"=" * 15 + b"%019d" % random.randrange(sys.maxsize) + b"=="  # noqa: S311 (no secret)
    body: list[bytes] = []
    for head, inner in parts:
        body += [b"--", boundary, CRLF, head, CRLF, *inner, CRLF]
    fold = "" if subtype == "mixed" else "\r\n"
    head = f'Content-Type: multipart/{subtype};{fold} boundary="'.encode("ascii")
    return head + boundary + b'"\r\n', [*body, b"--", boundary, b"--\r\n"]


def attached(attachment: Any, policy: "EmailPolicy[Any]") -> Written:
    """Return an attachment; only files with a name are common."""
    if not isinstance(attachment, tuple) or len(attachment) != 3:
        raise UncommonError
    filename, data, mime_type = attachment
    if not filename or type(filename) is not str or type(mime_type) is not str:
        raise UncommonError
    if mime_type.startswith("text/"):
        if isinstance(data, str):
            return text_part(data, mime_type, policy, filename)
        raise UncommonError  # it may be no text at all
    if not isinstance(data, bytes | bytearray | memoryview):
        raise UncommonError
    return part_head(mime_type, filename, "base64", policy), [base64(data)]


def text_part(
    data: Any, mime_type: str, policy: "EmailPolicy[Any]", filename: str | None = None
) -> Written:
    if type(data) not in TEXTS or not mime_type.startswith("text/"):
        raise UncommonError
    try:
        encoding, body = text(data, eight_bit=policy.cte_type == "8bit")
    except UnicodeEncodeError:
        raise UncommonError from None
    return part_head(mime_type, filename, encoding, policy), [body]


@lru_cache(maxsize=512)
def part_head(
    mime_type: str, filename: str | None, encoding: str, policy: "EmailPolicy[Any]"
) -> bytes:
    """Return the headers of a part, as Python's email package writes them for an empty one."""
    if len(mime_type) > LINE or not MIME_TYPE.fullmatch(mime_type):
        raise UncommonError
    part = Part(policy=policy)
    maintype, subtype = mime_type.split("/")
    named: dict[str, Any] = {} if filename is None else {"filename": filename}
    if maintype == "text":
        part.set_content("", subtype=subtype, charset=CHARSET, cte=encoding, **named)
    else:
        part.set_content(b"", maintype=maintype, subtype=subtype, cte=encoding, **named)
    head, _, _ = part.as_bytes().partition(b"\r\n\r\n")
    return head + CRLF
