"""Whether the headers of a message can be written without becoming something else."""

import binascii
import re
from collections.abc import Iterator
from email.message import Message
from email.policy import EmailPolicy
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError

FIELD_NAME = re.compile(r"[!-9;-~]+", re.ASCII)  # RFC 5322 section 3.6.8, ftext
# Where str.splitlines() sees an end: Python's email package writes a line end for each of them.
LINE_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
ENCODED_WORD = re.compile(r"=\?([^?*\s]*)(?:\*[^?]*)?\?([bq])\?([^?]*)", re.IGNORECASE)  # RFC 2047
FOLD = re.compile(r"\r?\n[ \t]")  # RFC 5322 section 2.2.3
ENDS = re.compile(rb"\r\n(?![ \t])|\r(?!\n)|(?<!\r)\n")
NESTED = 3  # an encoded word in an encoded word in one; who reads more of them is not known
BREAKS = "Header values may not contain linefeed or carriage return characters or other line breaks"


def check_headers(message: EmailMessage) -> None:
    """Raise ValueError if what becomes a header of `message`, or a recipient, holds a line break.

    Also if an encoded word holds one, and if a header name is not one of RFC 5322 section 3.6.8, or
    is Bcc. Unlike ``message.message()`` this renders nothing, and it takes messages of Django's own
    classes.
    """
    for name in message.extra_headers:
        _check_name(name)
        if name.lower() == "bcc":
            raise ValueError(
                'Bcc is not a valid email header. Use the "bcc" '
                "argument to specify blind carbon copy recipients."
            )
    texts = [value if type(value) is str else str(value) for value in _values(message)]
    together = " ".join(texts)  # one search is quicker than many
    if LINE_BREAK.search(together) or ("=?" in together and any(map(_breaks, texts))):
        raise BadHeaderError(BREAKS)
    for attachment in message.attachments:
        if isinstance(attachment, Message):
            check_written(attachment)  # on Django 5.2 it is written, and read again


def check_written(mime: Message) -> None:
    """Raise ValueError if a header of a MIME object, or of a part of it, is written as several."""
    for part in mime.walk():
        for name, value in part.raw_items():
            _check_name(name)
            if hasattr(value, "fold") or not isinstance(part.policy, EmailPolicy):
                written = [part.policy.fold_binary(name, value)]
                if isinstance(part.policy, EmailPolicy):
                    written.append(part.policy.clone(utf8=True).fold_binary(name, value))
            else:  # as it was read; folding would parse it
                written = [f"{name}: {value}".encode(errors="surrogateescape")]
            for lines in written:
                check_folded(lines)


def check_folded(written: bytes) -> bytes:
    """Return one header as it is written, with its line end; raise ValueError if it is several."""
    if ENDS.search(written.replace(b"\r\n", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n")):
        raise BadHeaderError(BREAKS)
    return written


def _check_name(name: str) -> None:
    if not FIELD_NAME.fullmatch(name):
        raise BadHeaderError(
            "A header name must be printable ASCII without space and colon (RFC 5322 3.6.8)."
        )


def _breaks(text: str) -> bool:
    """Tell whether an encoded word in the text holds a line break."""
    for _ in range(NESTED):
        text = ENCODED_WORD.sub(_decoded, text)
        if LINE_BREAK.search(text):
            return True
    return False


def _decoded(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    data = text.encode("ascii", "replace")
    if encoding in "qQ":
        data = binascii.a2b_qp(data, header=True)
    else:
        try:
            data = binascii.a2b_base64(data.rstrip(b"=") + b"===")
        except binascii.Error:
            return text
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _values(message: EmailMessage) -> Iterator[Any]:
    yield message.subject
    yield message.content_subtype
    yield message.encoding
    for name in ("mixed_subtype", "alternative_subtype"):  # Django 5.2 has them
        yield getattr(message, name, None)
    yield message.from_email
    yield from (*message.to, *message.cc, *message.bcc, *message.reply_to)
    yield from message.extra_headers.values()
    for _, mimetype in getattr(message, "alternatives", ()):
        yield mimetype
    for attachment in message.attachments:
        if isinstance(attachment, tuple | list):
            filename, content, *mimetypes = attachment
            yield from (filename, *mimetypes)
            if isinstance(content, EmailMessage):
                yield from _values(content)
        elif isinstance(attachment, Message):
            yield from _values_of_part(attachment)


def _values_of_part(part: Message) -> Iterator[str]:
    """Yield the values of the headers of a part, unfolded, but for those of a mail in it."""
    for _, value in part.raw_items():
        yield FOLD.sub(" ", str(value))
    if part.is_multipart() and part.get_content_maintype() != "message":
        inner: Any
        for inner in part.get_payload():
            yield from _values_of_part(inner)
