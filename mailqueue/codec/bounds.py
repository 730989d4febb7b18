"""How long and how many the headers of a message may be. Pure.

Python's parser takes a time that grows with the square of a header's length, and a mail that is
attached was written by anybody.
"""

import re
from collections.abc import Iterator
from email.headerregistry import HeaderRegistry
from email.message import Message
from email.parser import BytesParser
from email.policy import Policy, compat32
from typing import Any

from django.core.mail import EmailMessage

from mailqueue.errors import EncodeError

LINE = 998  # characters of a line (RFC 5322 section 2.1.1), an address or a file name
VALUE = 32 * 2**10  # characters of a header that is written in several lines
FOREIGN = 8 * 2**10  # the same, of one that is not ASCII
PARSED = 4 * 2**10  # characters of a header that has a structure, or that a part has parsed
ODD = 16 * 2**10  # characters of addresses that are not ASCII, or whose quotes hold others
BLOCK = 64 * 2**10  # characters of all headers of a part; some servers take no more than 32 KiB
TOTAL = 256 * 2**10  # characters of all headers of a message, but for its recipients, or of a mail
FIELDS = 1000  # headers of a part
PARTS = 1000  # of a message, with those of the mails in it
DEPTH = 50  # of parts in parts; what renders them calls itself for each

LISTS = ("to[", "cc[", "bcc[", "reply_to[")
STRUCTURED = set(HeaderRegistry().registry) - {"subject", "references", "in-reply-to"}
# Words, or a text in quotes, and an address: such are parsed quickly, but for letters beyond ASCII.
PLAIN = re.compile(r"[\w.+-]+@[\w.-]+|(?:[\w .'-]*|\"[^\"\\]*\") <[\w.+-]+@[\w.-]+>")
# The parser ends a line at a lone CR, too.
CONTENT_FIELD = re.compile(
    rb"(?:\A|[\r\n])content-[a-z-]+[ \t]*:[^\r\n]*(?:(?:\r\n|[\r\n])[ \t][^\r\n]*)*",
    re.IGNORECASE,
)


def check_bounds(message: EmailMessage, where: str = "") -> None:
    """Raise `EncodeError` for a header that is longer than it may be; parse none."""
    if len(message.extra_headers) > FIELDS:
        raise EncodeError(
            f"{where}headers: {len(message.extra_headers)} of them; {FIELDS} are allowed"
        )
    total = 0
    for field, value, usual in _lengths(message):
        text = value if isinstance(value, str) else str(value)
        most = min(usual, VALUE if text.isascii() else FOREIGN)
        if (length := len(text)) > most:
            raise EncodeError(f"{where}{field}: {length} characters; {most} are allowed")
        if not field.startswith(LISTS):
            total += length * (1 if text.isascii() else VALUE // FOREIGN)
    if total > TOTAL:
        raise EncodeError(f"{where}headers and names of {total} characters; {TOTAL} are allowed")
    _check_addresses(message, where)
    for index, attachment in enumerate(message.attachments):
        at = f"{where}attachments[{index}]: "
        content = attachment[1] if isinstance(attachment, tuple | list) else attachment
        if isinstance(content, EmailMessage):
            check_bounds(content, at)
        elif isinstance(content, Message):
            check_parts(content, at)
            _check_parsed(content, at)
        elif content is not attachment and str(attachment[-1]).lower().startswith("message/"):
            _check_attached(content, at)


def _check_addresses(message: EmailMessage, where: str) -> None:
    """Raise `EncodeError` for lists that take long to parse; what is plain takes little."""
    odd = 0
    for field in ("to", "cc", "bcc", "reply_to"):
        for value in getattr(message, field):
            text = value if isinstance(value, str) else str(value)
            if not PLAIN.fullmatch(text):
                odd += len(text)
            elif field != "bcc" and not text.isascii():  # which is no header
                odd += sum(not char.isascii() for char in text)
    if odd > ODD:
        raise EncodeError(
            f"{where}addresses: {odd} characters that take long to parse; {ODD} are allowed"
        )


def check_size(message: EmailMessage, most: int, *, inline: int | None) -> None:
    """Raise `EncodeError` if the contents alone have more than ``most`` bytes; read none.

    With ``inline`` those of more bytes than this stay outside of the message, in a storage.
    """
    sizes = [size for size in _sizes(message) if inline is None or size <= inline]
    if (total := sum(sizes)) > most:
        raise EncodeError(f"the contents of the message are {total} bytes; {most} are allowed")


def check_parts(mime: Message, where: str) -> None:
    """Raise `EncodeError` for more parts than may be, and for headers of theirs that are too long.

    Of headers it looks at those that were read from a mail, and are not parsed yet.
    """
    total = 0
    for number, (part, depth) in enumerate(_walk(mime, 0), start=1):
        if number > PARTS:
            raise EncodeError(f"{where}more parts than {PARTS}, which are allowed")
        if depth > DEPTH:
            raise EncodeError(f"{where}parts nested deeper than {DEPTH}, which is allowed")
        total += _check_fields(part, where)
    if total > TOTAL:
        raise EncodeError(f"{where}headers of {total} characters; {TOTAL} are allowed")


def _check_parsed(mime: Message, where: str) -> None:
    """Raise `EncodeError` for a long header that the author of a part gave it, and did not read."""
    for part in mime.walk():
        for _, value in part.raw_items():
            if type(value) is not str and (length := len(str(value))) > PARSED:
                raise EncodeError(f"{where}a header of {length} characters; {PARSED} are allowed")


def _walk(part: Message, depth: int) -> Iterator[tuple[Message, int]]:
    """Yield a part and all in it, each with its depth; not by recursion, which has an end."""
    ahead = [(part, depth)]
    while ahead:
        part, depth = ahead.pop()
        yield part, depth
        if part.is_multipart():
            inner: Any = part.get_payload()
            ahead += [(each, depth + 1) for each in reversed(inner)]


def _check_fields(part: Message, where: str) -> int:
    """Return the characters of all headers of a part."""
    fields = [(name, str(value)) for name, value in part.raw_items() if type(value) is str]
    if len(fields) > FIELDS:
        raise EncodeError(f"{where}{len(fields)} headers of a part; {FIELDS} are allowed")
    total = 0
    for name, value in fields:
        total += len(name) + len(value)
        line = max(map(len, f"{name}: {value}".splitlines()))
        if line > LINE:
            raise EncodeError(f"{where}a header line of {line} characters; {LINE} are allowed")
        if len(value) > VALUE or total > BLOCK:
            raise EncodeError(
                f"{where}headers of {max(total, len(value))} characters; "
                f"{VALUE} are allowed in one, {BLOCK} in all"
            )
    return total


def _lengths(message: EmailMessage) -> Iterator[tuple[str, object, int]]:
    """Yield name, value and the most that it may have, of all that becomes a header."""
    yield "subject", message.subject, VALUE
    yield "from_email", message.from_email, LINE
    for field in ("to", "cc", "bcc", "reply_to"):
        for index, value in enumerate(getattr(message, field)):
            yield f"{field}[{index}]", value, LINE
    for name, value in message.extra_headers.items():
        yield "headers: a name", name, LINE
        most = PARSED if str(name).lower() in STRUCTURED else VALUE
        yield "headers: a value", value, most
    yield "content_subtype", message.content_subtype, LINE
    for index, (_, mimetype) in enumerate(getattr(message, "alternatives", ())):
        yield f"alternatives[{index}]: mimetype", mimetype, LINE
    for index, attachment in enumerate(message.attachments):
        if isinstance(attachment, tuple | list):
            filename, _, *mimetypes = attachment
            yield f"attachments[{index}]: filename", filename, LINE
            for mimetype in mimetypes:
                yield f"attachments[{index}]: mimetype", mimetype, LINE


def _check_attached(content: object, where: str) -> None:
    """Raise `EncodeError` for an attached mail that takes long to parse; do so before it is."""
    raw = content if isinstance(content, bytes) else str(content).encode(errors="surrogateescape")
    for found in CONTENT_FIELD.finditer(raw):
        if len(found[0]) > VALUE:
            raise EncodeError(f"{where}a header of {len(found[0])} characters; {VALUE} are allowed")
    left = iter(range(PARTS))

    def part(policy: Policy = compat32) -> Message:
        if next(left, None) is None:
            raise EncodeError(f"{where}more parts than {PARTS}, which are allowed")
        return Message(policy)

    check_parts(BytesParser(part, policy=compat32).parsebytes(raw), where)


def _sizes(message: EmailMessage) -> Iterator[int]:
    for name in ("alternatives", "attachments"):
        if hasattr(getattr(message, name, ()), "__next__"):  # who looks at one has emptied it
            raise EncodeError(f"{name}: expected a list, got an iterator")
    contents = [message.body]
    contents += [content for content, _ in getattr(message, "alternatives", ())]
    contents += [each[1] for each in message.attachments if isinstance(each, tuple | list)]
    for content in contents:
        if isinstance(content, str | bytes | bytearray):
            yield len(content)
        elif isinstance(content, EmailMessage):
            yield from _sizes(content)
