"""Messages that no project means to make: odd values in all their parts, drawn by chance."""

import contextlib
import datetime
import decimal
import email
import email.policy
from collections.abc import Callable
from email.charset import Charset
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage as PythonMessage
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from random import Random
from typing import Any

import django.core.mail
from django.utils.functional import lazystr

import mailqueue.mail

CLASSES: list[Any] = [
    *(django.core.mail.EmailMessage, django.core.mail.EmailMultiAlternatives),
    *(mailqueue.mail.EmailMessage, mailqueue.mail.EmailMultiAlternatives),
]
TEXTS = [
    *("", "a", "ä", "ä" * 80, "a " * 300, "ä " * 300, "x" * 997, "ü" * 997),
    *("a" * 60 + " " + "b" * 90, "\xa0"),
    *("\ud800", "\0", "\t", "\x7f", "\x85", "\u200b", "\u2028", "\ufeff", "\U0001f4e7" * 30),
    *("\\", '"', "'", 'a"b', "(", ")", "((", "<", ">", "<>", ",", ";", ":", "@", "[", "]", "/"),
    *("=?utf-8?q?a?=", "=?utf-8?q?=C3?=", "=?utf-8?b?////?=", "=?x?q?a?=", "=?utf-8?q?a", "."),
    *("=?utf-8?q?a=0D=0Ab?=", "=?utf-16?b?DQAKAA==?=", "=?utf-7?q?+AA0ACg-x?=", "a*=utf-8''%0d%0a"),
    *("a\u0300" * 90, "ﬁ", "Ⅷ", "ß", " a", "a ", "a\xadb", "a;b=c"),
]  # fmt: skip
BODIES = [*TEXTS, "a\rb", "a\r\nb", "From me\n.\n..\n", "x" * 2000, "ä" * 1500, "\r\n.\r\n"]
ADDRESSES = [
    *("t@x.test", "Jo <t@x.test>", "{} <t@x.test>", '"{}" <t@x.test>', "{}@x.test", "t@{}.test"),
    *("<{}@x.test>", "{}", "t@x.test ({})", "t@[{}]", "g:{} t@x.test;", "<@{}:t@x.test>"),
    *('"{}"@x.test', "=?utf-8?q?{}?= <t@x.test>", "{}, t@x.test", "t@x.test {}"),
]
NAMES = [
    *("X-A", "X-Ä", "", "X A", "to", "Cc", "bcc", "FROM", "Sender", "reply-to", "subject", "date"),
    *("Message-Id", "MIME-Version", "content-type", "Content-Transfer-Encoding", "Content-ID"),
    *("Resent-To", "Resent-Bcc", "References", "List-Unsubscribe", "X" * 78, "X" * 900, "From "),
]
CHARSETS = [
    *(None, "utf-8", "ascii", "latin-1", "utf-16", "utf-7", "cp037", "rot13", "idna", "no such"),
    *("", "utf-8\n", "ü", "iso-2022-jp", "shift_jis", "utf-8-sig", Charset("latin-1"), 7),
]
TYPES = [
    *("text/plain", "text/html", "image/png", "message/rfc822", "message/delivery-status"),
    *("message/partial", "message/external-body", "multipart/mixed", "text", "", "a/b/c", None),
    *("text/plain; charset=latin-1", "text/calendar; method=REQUEST", " text/plain", "image/ä"),
    *("text/plain\x0b", "Message/RFC822", "message/rfc822; x=y", "a" * 300 + "/b"),
]
SUBTYPES = ["html", "x", "", "calendar", "html; x=y", "ä", "mixed", "\n", None, "a/b", "rfc822"]


class Changing(str):
    def __str__(self) -> str:
        return "a\r\nBcc: evil@evil.test"


class Written:
    def __str__(self) -> str:
        return "a\r\nBcc: evil@evil.test"


VALUES: list[Any] = [
    *(None, 0, -1, 2**70, 1.5, True, b"", b"\xff", bytearray(b"x"), [], ["a"], ("a", "b")),
    *({"a": 1}, object(), Written(), Changing("a"), lazystr("a"), Header("ä" * 50, "utf-8")),
    *(datetime.datetime(2026, 1, 1), decimal.Decimal(1), Address("Jö", "a", "b.test")),
]  # fmt: skip
ATTRIBUTES = ["mixed_subtype", "alternative_subtype", "policy", "metadata", "_mime", "sent_using"]


class Odd:
    """Makes odd messages."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def message(self, depth: int = 0) -> Any:
        made = self.random.choice(CLASSES)("S", "B", "f@x.test", ["t@x.test"])
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            with contextlib.suppress(Exception):  # what cannot even be made is of no interest
                self.random.choice(CHANGES)(self, made, depth)
        return made

    def text(self) -> str:
        return "".join(self.random.choices(TEXTS, k=self.random.choice([1, 1, 1, 2])))

    def value(self) -> Any:
        return self.random.choice(VALUES) if self.random.random() < 0.25 else self.text()

    def address(self) -> Any:
        if self.random.random() < 0.1:
            return self.random.choice(VALUES)
        return self.random.choice(ADDRESSES).replace("{}", self.text())

    def part(self) -> Message:
        """Return an object of Python's email package, with odd headers."""
        part = self.random.choice(PARTS)(self)
        for _ in range(self.random.randrange(3)):
            name = self.random.choice(NAMES)
            with contextlib.suppress(Exception):
                self.random.choice([part.__setitem__, part.set_raw])(name, self.text())
        return part

    def source(self) -> bytes:
        """Return the source of a mail."""
        lines = [f"{self.random.choice(NAMES)}: {self.text()}" for _ in range(3)]
        return "\r\n".join([*lines, "", "body"]).encode(errors="replace")

    def content(self, depth: int) -> Any:
        ways: list[Callable[[], Any]] = [
            lambda: self.random.choice(BODIES),
            lambda: self.random.choice([b"x", b"\xff\x00", None, 7, memoryview(b"y")]),
            *(self.source, lambda: self.source().decode(), self.part),
            lambda: self.message(depth + 1) if depth < 2 else b"x",
        ]
        return self.random.choice(ways)()


def attach(odd: Odd, made: Any, depth: int) -> None:
    name = odd.random.choice(["a.txt", odd.value()])
    item = (name, odd.content(depth), odd.random.choice(TYPES))
    odd.random.choice([lambda: made.attach(*item), lambda: made.attachments.append(item)])()


CHANGES: list[Callable[[Odd, Any, int], object]] = [
    lambda odd, made, _: setattr(made, "subject", odd.value()),
    lambda odd, made, _: setattr(made, "from_email", odd.address()),
    lambda odd, made, _: setattr(made, "to", [odd.address()]),
    lambda odd, made, _: setattr(made, "cc", [odd.address()]),
    lambda odd, made, _: setattr(made, "bcc", [odd.address()]),
    lambda odd, made, _: setattr(made, "reply_to", [odd.address()]),
    lambda odd, made, _: made.extra_headers.update({odd.random.choice(NAMES): odd.value()}),
    lambda odd, made, _: made.extra_headers.update({odd.random.choice(NAMES): odd.address()}),
    lambda odd, made, _: setattr(made, "body", odd.random.choice([*BODIES, *VALUES])),
    lambda odd, made, _: setattr(made, "encoding", odd.random.choice(CHARSETS)),
    lambda odd, made, _: setattr(made, "content_subtype", odd.random.choice(SUBTYPES)),
    lambda odd, made, _: setattr(made, odd.random.choice(ATTRIBUTES), odd.value()),
    lambda odd, made, depth: made.attach_alternative(odd.content(depth), odd.random.choice(TYPES)),
    lambda odd, made, _: made.attachments.append(odd.part()),
    *(attach, attach),
]


def based(odd: Odd) -> Message:
    part = MIMEBase("application", "x")
    part.set_payload(odd.random.choice(BODIES))
    return part


def several(odd: Odd) -> Message:
    part = MIMEMultipart(odd.random.choice(["mixed", "related", "signed"]))
    part.attach(MIMEText(odd.random.choice(BODIES), "plain", "utf-8"))
    return part


def modern(odd: Odd) -> Message:
    part = PythonMessage()
    part.set_content("a")
    part.add_attachment(b"x", maintype="a", subtype="b", filename="ä.bin")
    return part


PARTS: list[Callable[[Odd], Message]] = [
    *(based, several, modern),
    lambda odd: MIMEText("ä", "plain", odd.random.choice(["utf-8", "latin-1", "iso-2022-jp"])),
    lambda odd: MIMEMessage(email.message_from_bytes(odd.source())),
    lambda odd: email.message_from_bytes(odd.source(), policy=email.policy.default),
]
