"""Whether the headers of a message can be written without becoming something else."""

import re
from collections.abc import Iterator

from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError

FIELD_NAME = re.compile(r"[!-9;-~]+", re.ASCII)  # RFC 5322 section 3.6.8, ftext
LINE_BREAK = re.compile(r"[\r\n]")


def check_headers(message: EmailMessage) -> None:
    """Raise ValueError if what becomes a header of `message`, or a recipient, holds a line break.

    Also if a header name is not one of RFC 5322 section 3.6.8, or is Bcc. Unlike
    ``message.message()`` this renders nothing, and it takes messages of Django's own classes.
    """
    for name in message.extra_headers:
        if not FIELD_NAME.fullmatch(name):
            raise BadHeaderError(
                "A header name must be printable ASCII without space and colon (RFC 5322 3.6.8)."
            )
        if name.lower() == "bcc":
            raise ValueError(
                'Bcc is not a valid email header. Use the "bcc" '
                "argument to specify blind carbon copy recipients."
            )
    if any(LINE_BREAK.search(str(value)) for value in _values(message)):
        raise BadHeaderError("Header values may not contain linefeed or carriage return characters")


def _values(message: EmailMessage) -> Iterator[object]:
    yield message.subject
    yield message.content_subtype
    yield message.from_email
    yield from (*message.to, *message.cc, *message.bcc, *message.reply_to)
    yield from message.extra_headers.values()
    for _, mimetype in getattr(message, "alternatives", ()):
        yield mimetype
    for attachment in message.attachments:
        if isinstance(attachment, tuple):
            filename, content, *mimetypes = attachment
            yield from (filename, *mimetypes)
            if isinstance(content, EmailMessage):
                yield from _values(content)
