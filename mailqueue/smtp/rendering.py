"""A Django message as the bytes that SMTP carries."""

import re

from django.core.mail import EmailMessage

from mailqueue import compat
from mailqueue.mail.headers import check_headers
from mailqueue.smtp import policy

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def render(message: EmailMessage, *, utf8: bool = False, eight_bit: bool = True) -> bytes:
    """Render with CRLF as the only line ends, and one at the end.

    With `utf8` the headers are in UTF-8 (RFC 6532); without `eight_bit` all is in ASCII. Raises
    ValueError for a header that would not stay one.
    """
    check_headers(message)  # a message of Django's own class has not done it
    chosen = policy.SMTPUTF8 if utf8 else policy.SMTP if eight_bit else policy.SMTP_7BIT
    content = compat.as_smtp_bytes(message, chosen)
    pairs = content.count(b"\r\n")
    if content.count(b"\r") != pairs or content.count(b"\n") != pairs:
        # A lone CR or LF ends a message for some servers and not for others: smuggling.
        content = _BARE.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"
