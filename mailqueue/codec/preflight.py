"""Errors of a message come to its author: found before it is queued, not in a worker.

Rendering a message finds them all and costs more than queueing it (1.4 ms on Django 6). So what
plainly renders, as nearly all mail does, is recognised; only the rest is rendered to see.
"""

import copy
import io
import re
from collections.abc import Callable, Iterable
from email.generator import BytesGenerator
from email.headerregistry import HeaderRegistry
from email.message import Message
from email.policy import EmailPolicy
from itertools import chain
from typing import Any

from django.core.mail import EmailAlternative, EmailMessage, EmailMultiAlternatives
from django.core.mail.message import BadHeaderError
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from mailqueue.codec.addressing import check_addresses, check_domains, check_malformed
from mailqueue.codec.bounds import check_bounds
from mailqueue.codec.classes import traits
from mailqueue.errors import EncodeError
from mailqueue.mail.headers import check_headers, check_written

# What a template returns is as good as a str: nothing of it is overridden that anybody calls here.
TEXTS = frozenset({str, SafeString})
# RFC 5322 section 3.4 without its odder corners: no comments, routes, groups or literals.
DISPLAY_NAME = r'(?:[\w .\'-]*|"[^"\\\x00-\x1f\x7f]*")'
LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
ADDR_SPEC = rf"[A-Za-z0-9._+'-]+@{LABEL}(?:\.{LABEL})*"
MAILBOX = re.compile(rf"(?:{ADDR_SPEC}|{DISPLAY_NAME} <{ADDR_SPEC}>)")
# Some Pythons write such a name as more than one header, see `mailqueue.smtp.policy`.
LONG_WORD = re.compile(r"[^ <]{60}[^<]*<")
LONG_NAME = 70
MIMETYPE = re.compile(r"(?!message/|multipart/)[a-z0-9]{1,100}/[A-Za-z0-9.+-]{1,100}")
# Django 5.2 has them, as attributes of the classes; later ones refuse a message with one of them.
OLD_SUBTYPES = [
    (name, getattr(EmailMultiAlternatives, name, None))
    for name in ("mixed_subtype", "alternative_subtype")
]
SUBTYPE = re.compile(r"[A-Za-z0-9.+-]{1,100}")
FILENAME = re.compile(r"[\w .()-]*")
# C0 and C1 controls and the other line ends of str.splitlines(); a tab is fine.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
STRUCTURED = frozenset(HeaderRegistry().registry)
ADDRESS_FIELDS = frozenset({"from", "to", "cc", "reply-to"})
MSG_ID = re.compile(r"<[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,64}>")


# A mailbox in which no check finds anything: an address that is plain for SMTP, too.
ATOMS, LABELS = r"[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*", "[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*"
COMMON = re.compile(rf"(?:\w[\w .'-]* <{ATOMS}@{LABELS}>|{ATOMS}@{LABELS})")
SHORT = 64  # characters of it; of a local part RFC 5321 allows as many, of a label one less
COMMON_SUBJECT, COMMON_MAILBOXES = 200, 50


def check(message: EmailMessage, *, force_ascii: bool | None = None) -> None:
    """Raise what rendering and sending the message would: ValueError, TypeError and the like.

    Its sender and recipients must be addresses that SMTP carries, those without SMTPUTF8 if
    ``force_ascii``; with None whoever delivers may take others. Raises `EncodeError` for them.
    """
    check_values(message, force_ascii=force_ascii)
    if not plainly_renders(message):
        check_rendering(message)


def check_values(message: EmailMessage, *, force_ascii: bool | None) -> None:
    """Raise what can be found without rendering; it takes little time for any message."""
    check_bounds(message)  # first: what follows takes time for what is long
    check_headers(message)
    check_malformed(message)
    if force_ascii is not None:
        check_addresses(message, force_ascii=force_ascii)


def check_rendering(message: EmailMessage, charset: str = "utf-8") -> None:
    """Render the message to see if that can be done, and if its headers are as they may be.

    ``charset`` is what it is rendered in when it names none.
    """
    check_domains(message)
    for name, _ in OLD_SUBTYPES:
        if not SUBTYPE.fullmatch(str(getattr(message, name, "mixed"))):
            raise EncodeError(f"{name}: expected a subtype of MIME")
    try:
        mime: object = message.message()
        if isinstance(mime, Message):
            told(check_written, mime, "a header cannot be written")
            if not has_plain_parts(message, charset):
                told(write, mime, "a part cannot be written as MIME")
    except RecursionError:
        raise EncodeError("message: nested too deeply to be rendered") from None


def told(action: Callable[[Message], None], mime: Message, what: str) -> None:
    """Write something to see; where Python's email package fails at it, say of what."""
    try:
        action(mime)
    except Exception as error:  # it fails in many ways: IndexError, TypeError, UnicodeError
        # On some Djangos BadHeaderError is ValueError, which a UnicodeError is as well.
        if isinstance(error, (BadHeaderError, RecursionError)) and not isinstance(
            error, UnicodeError
        ):
            raise
        raise EncodeError(f"{what}: {type(error).__name__}") from None


def write(mime: Message) -> None:
    """Write a message, and leave it as it is."""
    policy = mime.policy
    if isinstance(policy, EmailPolicy):  # headers that were read stay so: folding would parse them
        policy = policy.clone(refold_source="none")
    generator = BytesGenerator(io.BytesIO(), mangle_from_=False, policy=policy)
    generator.flatten(copy.deepcopy(mime))  # which is given boundaries


def is_common(message: EmailMessage, charset: str) -> bool:
    """Tell whether it is a mail like most others, plain and short: no check finds anything in it.

    To look costs a quarter of what all checks do.
    """
    subject, kind = message.subject, traits(message)
    lists = (message.to, message.cc, message.bcc, message.reply_to)
    if message.attachments or message.extra_headers != {} or kind.addresses:
        return False
    if not all(map(is_list, lists)):
        return False
    mailboxes = [message.from_email, *chain.from_iterable(lists)]
    return (
        len(mailboxes) <= COMMON_MAILBOXES
        and all(map(is_common_mailbox, mailboxes))
        and is_header(subject)
        and len(subject) <= COMMON_SUBJECT
        and has_plain_parts(message, charset)
    )


def is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def is_common_mailbox(value: object) -> bool:
    return type(value) is str and len(value) <= SHORT and COMMON.fullmatch(value) is not None


def plainly_renders(message: EmailMessage, charset: str = "utf-8") -> bool:
    """Tell whether nothing in the message can keep it from being rendered; False if in doubt."""
    return (
        has_plain_parts(message, charset)
        and is_header(message.subject)
        and are_mailboxes([message.from_email])
        and all(map(are_mailboxes, (message.to, message.cc, message.reply_to)))
        and all(map(is_plain_header, message.extra_headers.items()))
        and len({name.lower() for name in message.extra_headers}) == len(message.extra_headers)
        and all(map(has_plain_name, message.attachments))
    )


def has_plain_parts(message: EmailMessage, charset: str) -> bool:
    """Tell whether nothing but a header or a file name can keep it from being rendered."""
    kind, encoding = traits(message), message.encoding or charset
    return (
        not kind.renders
        and type(encoding) is str  # a `Charset` is equal to its name
        and encoding == "utf-8"
        and is_text(message.body)
        and SUBTYPE.fullmatch(str(message.content_subtype)) is not None
        and all(getattr(message, name, usual) is usual for name, usual in OLD_SUBTYPES)
        and all(map(is_plain_content, message.attachments))
        and (not kind.multi or all(map(is_plain_alternative, message.alternatives)))  # type: ignore[attr-defined]
    )


def is_text(value: Any) -> bool:
    """Tell whether this is a text without lone surrogates."""
    if type(value) not in TEXTS:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_header(value: Any) -> bool:
    """Tell whether this is a text of one line, without encoded words that might hold another."""
    if type(value) not in TEXTS:
        return isinstance(value, Promise) and is_header(str(value))
    return "=?" not in value and not CONTROL.search(value)


def are_mailboxes(values: Iterable[object]) -> bool:
    return all(
        isinstance(value, str)
        and MAILBOX.fullmatch(value)
        and is_header(str(value))
        and not LONG_WORD.search(value)
        for value in values
    )


def is_plain_header(item: tuple[Any, Any]) -> bool:
    name, value = item
    field = name.lower()
    if field in ADDRESS_FIELDS:
        return is_common_mailbox(value)
    if field == "message-id":
        return isinstance(value, str) and MSG_ID.fullmatch(value) is not None
    # Python fails at an empty value behind a name as long as a line.
    return field not in STRUCTURED and len(name) < LONG_NAME and is_header(value)


def has_plain_name(attachment: Any) -> bool:
    filename = attachment[0]
    return filename is None or (type(filename) is str and bool(FILENAME.fullmatch(filename)))


def is_plain_content(attachment: Any) -> bool:
    if not isinstance(attachment, tuple) or len(attachment) != 3:
        return False
    _, content, mimetype = attachment
    return (
        type(mimetype) is str
        and bool(MIMETYPE.fullmatch(mimetype))
        # Django 5.2 cannot write bytes as a text.
        and (is_text(content) or (type(content) is bytes and not mimetype.startswith("text/")))
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
