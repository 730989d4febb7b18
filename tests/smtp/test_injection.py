"""What comes from a form or an upload becomes no header, no part and no recipient of its own."""

import base64
import itertools
import re
from email.message import MIMEPart
from typing import Any

import pytest
from django.core import mail as django_mail

from mailqueue import compat
from mailqueue.codec.preflight import check
from mailqueue.errors import EncodeError
from mailqueue.mail import EmailMultiAlternatives, headers
from mailqueue.smtp.rendering import render

BREAKS = [
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\n\n",
]
PAYLOADS = ["X-Evil: 1", "X-Evil : 1", "Content-Type: text/evil\r\n\r\n<b>"]
ENCODINGS = {
    "plain": lambda text: text,
    "q": lambda text: "=?utf-8?q?" + "".join(f"={byte:02X}" for byte in text.encode()) + "?=",
    "b": lambda text: f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?=",
    "utf-7": lambda text: f"=?utf-7?q?{text.encode('utf-7').decode().replace('=', '=3D')}?=",
    "language": lambda text: f"=?utf-8*en?b?{base64.b64encode(text.encode()).decode()}?=",
    "twice": lambda text: ENCODINGS["q"](ENCODINGS["b"](text)),
}
PERCENT = "a; name*=utf-8''" + "".join(f"%{byte:02X}" for byte in b"a\r\nX-Evil: 1")


def part(text: str) -> Any:
    made = MIMEPart()
    made.set_content("x")
    made["Content-ID"] = text
    return made


PLACES: dict[str, Any] = {
    "subject": lambda text: {"subject": text},
    "from": lambda text: {"from_email": f"{text} <f@e.test>"},
    "to": lambda text: {"to": [f"{text} <t@e.test>"]},
    "cc": lambda text: {"cc": [f'"{text}" <t@e.test>']},
    "reply_to": lambda text: {"reply_to": [f"{text} <t@e.test>"]},
    "address": lambda text: {"to": [f"{text}@e.test"]},
    "domain": lambda text: {"reply_to": [f"t@e.test{text}"]},
    "header": lambda text: {"headers": {"X-Tag": text}},
    "From": lambda text: {"headers": {"From": f"{text} <f@e.test>"}},
    "Message-ID": lambda text: {"headers": {"Message-ID": f"<{text}@e.test>"}},
    "Date": lambda text: {"headers": {"Date": text}},
    "Content-Type": lambda text: {"headers": {"X-Type": f"text/plain; name={text}"}},
    "file name": lambda text: {"attachments": [(f"{text}.pdf", b"x", "application/pdf")]},
    "file in a list": lambda text: {"attachments": [(text, b"x", "image/png")]},
    "text file": lambda text: {"attachments": [(f"{text}.txt", "x", "text/plain")]},
    "MIME type": lambda text: {"attachments": [("a", b"x", f"application/{text}")]},
    "alternative": lambda text: {"alternatives": [("x", f"text/{text}")]},
    "Content-ID": lambda text: {"attachments": [part(text)]},
}
CLASSES = [EmailMultiAlternatives, django_mail.EmailMultiAlternatives]
WAYS = [{}, {"utf8": True}, {"eight_bit": False}]


def built(cls: Any, place: str, text: str) -> Any:
    if place == "Content-ID" and cls is CLASSES[1] and not compat.HAS_POLICY:
        pytest.skip("Django 5.2 takes no MIMEPart")
    usual = {"subject": "S", "body": "B", "from_email": "f@e.test", "to": ["t@e.test"]}
    message = cls(**usual | PLACES[place](text))
    if place == "file in a list":
        message.attachments = [list(each) for each in message.attachments]
    return message


def fields(content: bytes) -> list[bytes]:
    """Return the names of all header-like lines, however a reader tells lines apart."""
    lines = re.split(rb"\r\n|[\r\n]", content)
    names = [re.match(rb"([!-9;-~]+)[ \t]*:", line) for line in lines]
    return [found[1].lower() for found in names if found]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_caller_hears_of_a_line_break(cls, place, encoding):
    for line_break, payload in itertools.product(BREAKS, PAYLOADS):
        text = ENCODINGS[encoding](f"a{line_break}{payload}")
        with pytest.raises((ValueError, EncodeError)):
            check(built(cls, place, text))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_the_check_of_values_does_not_see_is_seen_when_it_is_written(
    cls, place, encoding, monkeypatch
):
    monkeypatch.setattr(headers, "_values", lambda message: ())
    usual = set(fields(render(built(cls, place, "x"))))
    for line_break, payload in itertools.product(BREAKS, PAYLOADS):
        text = ENCODINGS[encoding](f"a{line_break}{payload}")
        for way in WAYS:
            try:
                content = render(built(cls, place, text), **way)
            except Exception:  # noqa: BLE001 (refused is right, in whatever way)
                continue
            assert set(fields(content)) <= usual
            assert not re.search(rb"^<b>", content, re.MULTILINE)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("place", PLACES)
def test_a_percent_encoded_parameter_is_no_header(cls, place):
    message = built(cls, place, PERCENT)
    try:
        check(message)
        contents = [render(message, **way) for way in WAYS]
    except (ValueError, EncodeError):
        return
    assert all(b"x-evil" not in fields(content) for content in contents)


@pytest.mark.parametrize(
    "text",
    [
        "Grüße",
        "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "50 % = ?",
        "=?",
        "=?x?y?z",
        "=?utf-8?b?!?=",
        "=?no?q?a?=",
    ],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_what_has_no_line_break_goes(cls, text):
    check(cls(text, "B", "f@e.test", ["t@e.test"], headers={"X-Tag": text}))


NAMES = [
    f"{'x' * length} X-Evil: 1 {'y' * 80}" for length in (60, 66, *range(70, 80), 100, 150)
] + [f"a ({'x' * length} X-Evil:1{'y' * 100})" for length in (40, 60, *range(70, 80), 100)]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("quote", ["", '"', "é"])
@pytest.mark.parametrize("field", ["from_email", "to", "cc", "reply_to"])
def test_a_name_with_words_longer_than_a_line_ends_no_headers(cls, quote, field):
    """Some Pythons write an empty line there, or a line that begins with no blank."""
    for name in NAMES:
        address = f"{quote}{name if quote == chr(34) else name.replace(':', '.')}{quote} <t@e.test>"
        fields_of = {"from_email": "f@e.test", "to": ["t@e.test"]}
        fields_of[field] = address if field == "from_email" else [address]
        message = cls("S", "B", **fields_of)
        for way in WAYS:
            try:
                content = render(message, **way)
            except ValueError:
                continue
            head, _, body = content.partition(b"\r\n\r\n")
            assert body == b"B\r\n"
            assert b"x-evil" not in fields(head)


def test_an_empty_line_that_python_writes_into_a_header_is_left_out():
    long = [f'"{"b" * 100} {"a" * 100} baa" <a@b.test>', f"{'b' * 100} <x@y.test>"]
    for way in WAYS:
        content = render(EmailMultiAlternatives("S", "B", "f@e.test", long), **way)
        assert content.partition(b"\r\n\r\n")[2] == b"B\r\n"
        assert b"<x@y.test>" in content
