"""A Django message as the bytes that SMTP carries."""

import re
from base64 import b64encode
from email import message_from_bytes
from email.message import Message
from textwrap import wrap

from django.core.mail import EmailMessage

from mailqueue import compat
from mailqueue.mail.headers import check_headers, check_written
from mailqueue.smtp import policy
from mailqueue.smtp.assembly import assembled
from mailqueue.watch import RENDERING, bounded

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def render(message: EmailMessage, *, utf8: bool = False, eight_bit: bool = True) -> bytes:
    """Render with CRLF as the only line ends, and one at the end.

    With `utf8` the headers are in UTF-8 (RFC 6532); without `eight_bit` all is in ASCII. Raises
    ValueError for a header that would not stay one, also if that shows only when it is written, and
    `TookTooLong`.
    """
    return bounded(RENDERING, lambda: _rendered(message, utf8=utf8, eight_bit=eight_bit))


def _rendered(message: EmailMessage, *, utf8: bool, eight_bit: bool) -> bytes:
    check_headers(message)  # a message of Django's own class has not done it
    chosen = policy.SMTPUTF8 if utf8 else policy.SMTP if eight_bit else policy.SMTP_7BIT
    if compat.HAS_POLICY and (direct := assembled(message, chosen)) is not None:
        return direct
    mime = compat.smtp_mime(message, chosen)
    # The chosen policy looks by itself at each header that it writes.
    if isinstance(mime, Message) and mime.policy is not chosen:
        check_written(mime)
    try:
        content = compat.as_smtp_bytes(mime, message, chosen)
    except UnicodeEncodeError:
        if eight_bit or utf8:
            raise
        # An attached mail of 8 bits that does not say which: `downgraded` knows what to do with it.
        return _rendered(message, utf8=False, eight_bit=True)
    pairs = content.count(b"\r\n")
    if content.count(b"\r") != pairs or content.count(b"\n") != pairs:
        # A lone CR or LF ends a message for some servers and not for others: smuggling.
        content = _BARE.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def downgraded(content: bytes) -> bytes:
    """Return the message in 7 bits, its parts in base64; as it is if that cannot be.

    It cannot where a part is signed (RFC 1847 section 2.1).
    """
    message = message_from_bytes(content, policy=policy.SMTP_7BIT)
    for part in message.walk():
        if part.get_content_type() == "multipart/signed":
            return content
        payload = None if part.is_multipart() else part.get_payload(decode=True)
        if isinstance(payload, bytes) and not str(part.get_payload()).isascii():
            del part["Content-Transfer-Encoding"]
            part["Content-Transfer-Encoding"] = "base64"
            lines = b64encode(payload).decode("ascii")
            part.set_payload("\r\n".join(wrap(lines, 76)) + "\r\n")
    rendered = message.as_bytes(policy=policy.SMTP_7BIT)
    return rendered if rendered.isascii() else content
