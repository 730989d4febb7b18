"""Hypothesis strategies for messages of every kind, likely and unlikely."""

import contextlib
import email.message
import email.policy
from email.headerregistry import Address
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import django
from django.core import mail
from django.utils.functional import lazystr
from hypothesis import strategies as st

MODERN = django.VERSION >= (6, 0)

surrogates = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
anything = st.text(st.one_of(st.characters(), surrogates), max_size=60)
words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)
lines = st.one_of(
    words,
    words,
    words,
    words,
    st.sampled_from(
        [
            "",
            "x" * 998,
            "y" * 2500,
            "é" * 600,
            "From the start\n.\n..\n",
            "a\r\nb\rc\n",
            "=?utf-8?q?no=C3=A9?=",
            "trailing \t \n",
            "\x0b\x0c\x1c\x85\u2028 odd line ends",
        ]
    ),
    anything,
)
bodies = st.lists(lines, max_size=4).map("\n".join)
binaries = st.one_of(st.binary(max_size=200), bodies.map(lambda text: text.encode(errors="ignore")))

locals_ = st.sampled_from(["a", "o'neil", "x+tag", "a.b-c", "üser", '"quoted local"', "名前"])
domains = st.sampled_from(["example.test", "bücher.example", "[192.0.2.1]", "例え.テスト", "x"])
names = st.one_of(
    words,
    st.sampled_from(
        ["Last, First", 'He "is" \\ here', "Ünï (comment)", "a" * 90, "é" * 60, "=?x?=", "a@b"]
    ),
)


def mailbox(name: str, local: str, domain: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{local}@{domain}>' if name else f"{local}@{domain}"


def address_object(name: str, domain: str) -> Address | None:
    try:
        return Address(name, "a", domain)
    except ValueError:
        return None


addresses = st.one_of(
    st.builds(mailbox, names, locals_, domains),
    st.builds(mailbox, names, locals_, domains).map(lazystr),
    st.builds(address_object, names, st.just("example.test")),
    st.just(""),
)
lists = st.lists(addresses, max_size=3)
header_names = st.sampled_from(
    [
        "X-One",
        "x-two",
        "From",
        "To",
        "to",
        "Reply-To",
        "Sender",
        "Date",
        "message-id",
        "Subject",
        "List-Unsubscribe",
        "References",
        "Content-Class",
        "X-" + "Long" * 20,
    ]
)
header_values = st.one_of(words, names, words.map(lazystr), addresses, lines)
charsets = st.sampled_from([None, None, "utf-8", "iso-8859-1", "us-ascii", "utf-16", "koi8-r"])
mimetypes = st.sampled_from(
    [
        "text/plain",
        "text/html",
        "text/csv",
        "image/png",
        "application/octet-stream",
        "a/b",
        "text/calendar",
        "message/delivery-status",
        "application/x-empty",
        'text/x; a="b"',
    ]
)
filenames = st.one_of(st.none(), st.just(""), words, st.sampled_from(['a"b.txt', "ä" * 80, "a/b"]))


@st.composite
def legacy_parts(draw: Any) -> Any:
    """Parts of Python's older classes."""
    kind = draw(st.sampled_from(["text", "image", "base", "multi", "message"]))
    part: Any
    if kind == "text":
        part = MIMEText(draw(words), draw(st.sampled_from(["plain", "html"])), "utf-8")
    elif kind == "image":
        part = MIMEImage(draw(binaries), "png")
    elif kind == "base":
        part = MIMEBase("application", "x-thing", name="a;b")
        part.set_payload(draw(binaries))
    elif kind == "multi":
        part = MIMEMultipart("related", _subparts=draw(st.lists(legacy_parts(), max_size=2)))
        part.preamble = draw(st.one_of(st.none(), st.just("before\n")))
        part.epilogue = draw(st.one_of(st.none(), st.just(""), st.just("after\n")))
    else:
        part = MIMEMessage(MIMEText(draw(words), "plain", "utf-8"))
    part.add_header("Content-Disposition", "inline", filename=draw(words))
    part["Content-ID"] = "<logo>"
    return part


@st.composite
def modern_parts(draw: Any, cls: Any = email.message.MIMEPart) -> Any:
    """Parts of Python's modern classes."""
    part = cls(policy=draw(st.sampled_from([email.policy.default, email.policy.SMTPUTF8])))
    part.set_content(draw(words) + "\n", charset="utf-8")
    if draw(st.booleans()):
        part.add_attachment(
            draw(binaries), maintype="image", subtype="png", filename=draw(words) or None
        )
    for name in draw(st.lists(header_names, max_size=2, unique_by=str.lower)):
        with contextlib.suppress(LookupError, AttributeError):  # on some texts Python fails
            part[name] = draw(words)
    return part


def parsed(data: bytes, modern: bool) -> Any:
    policy: Any = email.policy.default if modern else email.policy.compat32
    return email.message_from_bytes(data, policy=policy)


sources = st.one_of(
    binaries,
    st.sampled_from(
        [
            b"",
            b"Subject: =?utf-8?b?w6Q=?=\r\nX-Raw: caf\xe9\r\n\r\nraw \xe9\r\n",
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n",
            b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\none\n--b--\nend",
            b"Content-Type: multipart/mixed\n\nno boundary",
            b"X-Long: " + b"word " * 60 + b"\n\nbody",
            b"To: (c) a@b, G: c@d;\nFrom: =?utf-8?q?a=2Cb?= <x@y>\n\nbody",
        ]
    ),
)
parts = st.one_of(legacy_parts(), modern_parts(), st.builds(parsed, sources, st.booleans()))


@st.composite
def messages(draw: Any, depth: int = 0) -> Any:
    """Messages of Django's classes, with others inside."""
    multi = draw(st.booleans())
    message: Any = (mail.EmailMultiAlternatives if multi else mail.EmailMessage)(
        draw(st.one_of(words, words.map(lazystr), lines)),
        draw(st.one_of(bodies, st.just(""))),
        draw(st.one_of(addresses, st.just("from@example.test"))),
        headers=draw(
            st.dictionaries(header_names, header_values, max_size=3)
            if draw(st.booleans())
            else st.just({})
        ),
    )
    if depth:  # else they are made anew in each rendering
        message.extra_headers |= {"Date": "Mon, 1 Jan 2024 00:00:00 -0000", "Message-ID": "<i@x>"}
    for name in ("to", "cc", "bcc", "reply_to"):
        setattr(message, name, draw(lists))
    message.encoding = draw(charsets)
    message.content_subtype = draw(st.sampled_from(["plain", "plain", "html", "x-other"]))
    contents = st.one_of(bodies, binaries, words.map(lazystr))
    if depth < 2:
        inner = st.one_of(messages(depth + 1), modern_parts(email.message.EmailMessage), sources)
        rfc822 = st.tuples(filenames, inner, st.just("message/rfc822"))
    else:
        rfc822 = st.tuples(filenames, sources, st.just("message/rfc822"))
    files = st.one_of(st.tuples(filenames, contents, mimetypes), rfc822)
    message.attachments = [
        item if isinstance(item, email.message.Message) else mail.EmailAttachment(*item)
        for item in draw(st.lists(st.one_of(files, parts), max_size=3))
    ]
    if multi:
        message.alternatives = [
            mail.EmailAlternative(*item)
            for item in draw(st.lists(st.tuples(contents, mimetypes), max_size=2))
        ]
    return message
