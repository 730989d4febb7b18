"""Errors of a message come to its author: found before it is queued, not in a worker.

Rendering a message finds them all and costs more than queueing it (1.4 ms on Django 6). So what
plainly renders, as nearly all mail does, is recognised; only the rest is rendered to see.
"""

import re
from collections.abc import Iterable
from email.headerregistry import HeaderRegistry
from typing import Any

from django.core.mail import EmailAlternative, EmailMessage

from mailqueue.codec.classes import traits
from mailqueue.mail.headers import check_headers

# RFC 5322 section 3.4 without its odder corners: no comments, routes, groups or literals.
DISPLAY_NAME = r'(?:[\w .\'-]*|"[^"\\\x00-\x1f\x7f]*")'
ADDR_SPEC = r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
MAILBOX = re.compile(rf"(?:{ADDR_SPEC}|{DISPLAY_NAME} <{ADDR_SPEC}>)")
MIMETYPE = re.compile(r"(?!message/|multipart/)[a-z0-9]+/[A-Za-z0-9.+-]+")
FILENAME = re.compile(r"[\w .()-]*")
# C0 and C1 controls and the other line ends of str.splitlines(); a tab is fine.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
STRUCTURED = frozenset(HeaderRegistry().registry)


def check(message: EmailMessage) -> None:
    """Raise what rendering the message would: ValueError, TypeError and the like."""
    check_headers(message)
    if not plainly_renders(message):
        message.message()


def plainly_renders(message: EmailMessage) -> bool:
    """Tell whether nothing in the message can keep it from being rendered; False if in doubt."""
    kind = traits(message)
    return (
        not kind.renders
        and message.encoding in (None, "utf-8")
        and is_text(message.body)
        and is_header(message.subject)
        and are_mailboxes([message.from_email])
        and all(map(are_mailboxes, (message.to, message.cc, message.reply_to)))
        and all(map(is_plain_header, message.extra_headers.items()))
        and all(map(is_plain_file, message.attachments))
        and (not kind.multi or all(map(is_plain_alternative, message.alternatives)))  # type: ignore[attr-defined]
    )


def is_text(value: object) -> bool:
    """Tell whether this is a str without lone surrogates."""
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_header(value: object) -> bool:
    """Tell whether this is a str of one line, without encoded words that might hold another."""
    return type(value) is str and "=?" not in value and not CONTROL.search(value)


def are_mailboxes(values: Iterable[object]) -> bool:
    return all(
        isinstance(value, str) and MAILBOX.fullmatch(value) and is_header(str(value))
        for value in values
    )


def is_plain_header(item: tuple[Any, Any]) -> bool:
    name, value = item
    return name.lower() not in STRUCTURED and is_header(value)


def is_plain_file(attachment: Any) -> bool:
    if not isinstance(attachment, tuple) or len(attachment) != 3:
        return False
    filename, content, mimetype = attachment
    return (
        (filename is None or (type(filename) is str and bool(FILENAME.fullmatch(filename))))
        and type(mimetype) is str
        and bool(MIMETYPE.fullmatch(mimetype))
        and (type(content) is bytes or is_text(content))
    )


def is_plain_alternative(alternative: Any) -> bool:
    if not isinstance(alternative, EmailAlternative):
        return False
    content, mimetype = alternative
    return (
        type(mimetype) is str
        and mimetype.startswith("text/")
        and bool(MIMETYPE.fullmatch(mimetype))
        and is_text(content)
    )
