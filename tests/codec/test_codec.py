"""Every kind of message that Django accepts comes out of the wire as it went in."""

import copy
import email.message
import email.policy
import enum
import re
from email.header import Header
from email.mime.base import MIMEBase
from typing import Any

import pytest
from django.core import mail
from django.utils import translation
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy

import mailqueue.mail
from mailqueue.errors import EncodeError
from mailqueue.wire.attachments import ClaimCheck
from tests.wire.messages import MESSAGES, PNG, mime_part, multi, plain, with_
from tests.wire.render import MESSAGE_ID, data_of, frozen, numbered, renderings, through_the_wire


@pytest.mark.parametrize("kind", MESSAGES)
def test_rendered_alike(kind: str) -> None:
    make = MESSAGES[kind]
    expected = frozen(make())
    rebuilt = through_the_wire(make())
    assert renderings(rebuilt) == renderings(expected)
    assert [str(r) for r in rebuilt.recipients()] == [str(r) for r in expected.recipients()]
    assert rebuilt.from_email == str(expected.from_email)


@pytest.mark.parametrize("kind", MESSAGES)
def test_attributes_alike(kind: str) -> None:
    """Targets such as anymail's read the attributes and never render."""
    original, rebuilt = MESSAGES[kind](), through_the_wire(MESSAGES[kind]())
    assert type(rebuilt) is type(original)
    for name in ("subject", "body", "content_subtype"):
        assert getattr(rebuilt, name) == getattr(original, name)
    for name in ("to", "cc", "bcc", "reply_to"):
        assert getattr(rebuilt, name) == [str(value) for value in getattr(original, name)]
    simple = [item for item in original.attachments if isinstance(item, tuple)]
    again = [item for item in rebuilt.attachments if isinstance(item, tuple)]
    for one, two in zip(simple, again, strict=True):
        assert (one.filename, one.mimetype) == (two.filename, two.mimetype)
        if isinstance(one.content, (str, bytes)):
            assert one.content == two.content
    assert getattr(rebuilt, "alternatives", []) == getattr(original, "alternatives", [])


@pytest.mark.parametrize("kind", MESSAGES)
def test_encoding_leaves_the_message_alone(kind: str) -> None:
    message = MESSAGES[kind]()
    before = copy.deepcopy(vars(message))
    data_of(message)
    after = vars(message)
    assert after.keys() == before.keys()
    for name in before.keys() - {"attachments"}:
        assert after[name] == before[name]
    assert [str(a) for a in after["attachments"] if isinstance(a, email.message.Message)] == [
        str(a) for a in before["attachments"] if isinstance(a, email.message.Message)
    ] or any(a.is_multipart() for a in after["attachments"])


def test_none_for_alternatives_is_none() -> None:
    assert through_the_wire(with_(multi(), alternatives=None)).alternatives == []


def test_lone_surrogates_arrive() -> None:
    """A field that no rendering shows may hold any str; a pair must not become one character."""
    message = plain(subject="a\udce9 \ud83d\ude00 \x00\x85")
    assert through_the_wire(message).subject == message.subject


def test_a_plain_message_is_not_rendered_to_be_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering takes a hundred times as long as carrying."""
    for cls in (mail.EmailMessage, mail.EmailMultiAlternatives):
        monkeypatch.setattr(cls, "message", lambda self: pytest.fail("rendered"))
    data_of(multi(attachments=[("m.eml", plain(), "message/rfc822")]))


def test_lazy_strings_take_the_language_of_the_caller() -> None:
    message = plain(subject=gettext_lazy("Yes"), to=[lazystr("a@example.test")])
    with translation.override("de"):
        rebuilt = through_the_wire(message)
    assert rebuilt.subject == "Ja"
    assert rebuilt.to == ["a@example.test"]


def test_date_and_message_id_come_first_and_once() -> None:
    rebuilt = through_the_wire(plain(headers={"X-A": "1", "message-id": "<own@x>"}))
    assert list(rebuilt.extra_headers) == ["Date", "X-A", "message-id"]


def test_an_inner_message_has_a_fixed_id_of_its_own() -> None:
    message = plain(attachments=[("m.eml", plain(), "message/rfc822")] * 2)
    rebuilt = through_the_wire(message)
    ids = [a.content.extra_headers["Message-ID"] for a in rebuilt.attachments]
    assert len({MESSAGE_ID, *ids}) == 3
    assert renderings(rebuilt) == renderings(rebuilt)


def test_messages_of_our_mail_api_come_back_as_such() -> None:
    message = mailqueue.mail.EmailMultiAlternatives(
        "Sübject", "Body", "from@example.test", ["to@example.test"]
    )
    message.attach_alternative("<p>", "text/html")
    message.attach(mime_part())
    rebuilt = through_the_wire(message)
    assert type(rebuilt) is mailqueue.mail.EmailMultiAlternatives
    assert data_of(rebuilt) == data_of(message)
    for policy in (email.policy.default, email.policy.SMTP):
        renders = [each.message(policy=policy).as_bytes() for each in (frozen(message), rebuilt)]
        assert numbered(renders[0]) == numbered(renders[1])
    simple = through_the_wire(mailqueue.mail.EmailMessage("s", "b", "from@example.test", ["a@b"]))
    assert type(simple) is mailqueue.mail.EmailMessage


class Renders(mail.EmailMultiAlternatives):
    """Overrides `message()`, as signing packages do."""

    def message(self, **options: Any) -> Any:
        message = super().message(**options)
        message["X-Signed"] = "yes " * 30
        return message


class Addresses(mail.EmailMessage):
    """Overrides `recipients()`."""

    def recipients(self) -> list[str]:
        return ["other@example.test"]


class Ordinary(mail.EmailMessage):
    """Overrides nothing that renders."""

    content_subtype = "html"
    encoding = "iso-8859-1"


class Hooked(mail.EmailMessage):
    """Overrides a private method that works for `message()`."""

    def _set_list_header_if_not_empty(self, msg: Any, header: str, values: Any) -> None:
        msg[header] = "hooked@example.test"


def make(cls: Any) -> Any:
    message = cls(
        "Sübject",
        "From me\n",
        "from@example.test",
        ["to@example.test"],
        headers={"Date": "Mon, 1 Jan 2024 00:00:00 +0000", "Message-ID": "<own@x>"},
    )
    message.attach("a.png", PNG, "image/png")
    message.attach("m.eml", plain(headers={"Date": "d", "Message-ID": "<i@x>"}), "message/rfc822")
    return message


@pytest.mark.parametrize("cls", [Renders, Addresses, Ordinary, Hooked])
def test_subclasses(cls: Any) -> None:
    rebuilt = through_the_wire(make(cls))
    assert ("mime" in data_of(make(cls))) == (cls in (Renders, Hooked))
    assert renderings(rebuilt)[0] == renderings(make(cls))[0]
    assert rebuilt.recipients() == make(cls).recipients()
    again = through_the_wire(rebuilt)  # a rebuilt message may be queued again
    assert renderings(again) == renderings(rebuilt)
    assert again.recipients() == rebuilt.recipients()


def test_a_method_set_on_the_object_counts() -> None:
    message = make(mail.EmailMessage)
    message.message = make(Renders).message
    assert renderings(through_the_wire(message))[0] == renderings(make(Renders))[0]


def test_a_message_that_renders_itself_is_one_message() -> None:
    rebuilt = through_the_wire(Renders("s", "b", "from@example.test", ["to@example.test"]))
    mime = rebuilt.message()
    assert rebuilt.extra_headers["Message-ID"] == mime["Message-ID"] != MESSAGE_ID
    assert rebuilt.extra_headers["Date"] == mime["Date"]


def test_a_rendered_message_renders_alike_each_time() -> None:
    rebuilt = through_the_wire(make(Renders))
    assert renderings(rebuilt) == renderings(rebuilt)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"to": "a@example.test"}, "to: expected a list"),
        ({"to": [3]}, "to: expected a text, got int"),
        ({"attachments": [("secret", object(), "a/b")]}, r"attachments\[0\]: content"),
        ({"attachments": [("secret",)]}, r"attachments\[0\]: expected"),
        ({"bcc": ["a@example.test"] * 10_001}, "bcc: 10001 addresses; 10000 are allowed"),
        ({"attachments": [("secret", b"", "a/b")] * 1001}, "attachments: more than 1000"),
        ({"body": 5}, "body: content of type int"),
        ({"extra_headers": {"X-A: secret": "b"}}, "header name"),
        ({"extra_headers": {"X-A\nB": "b"}}, "header name"),
        ({"extra_headers": ["secret"]}, "headers: expected a dict"),
        ({"encoding": 7}, "encoding: int"),
    ],
)
def test_what_cannot_be_carried_is_named(change: dict[str, Any], part: str) -> None:
    with pytest.raises(EncodeError, match=part) as caught:
        data_of(with_(plain(), **change))
    assert "secret" not in str(caught.value)
    assert "example.test" not in str(caught.value)


@pytest.mark.parametrize("kind", MESSAGES)
def test_no_content_is_named_twice(kind: str) -> None:
    """Decoding refuses that: few bytes would make many."""
    claim = ClaimCheck(key="", size=0)
    for keep in (lambda content: None, lambda content: claim):
        data = data_of(MESSAGES[kind](), keep=keep)
        used = re.findall(r"\{'(?:blob|(?:text_)?claim)': (\d+)\}", repr(data))
        assert len(used) == len(set(used)) == len(data.get("blobs", data.get("claims", [])))


@pytest.mark.parametrize(
    "value", ["a\x0bBcc: b", "a\x85b", Header("a\x1cb"), Header("a\u2028b", "utf-8")]
)
@pytest.mark.parametrize("modern", [True, False])
def test_a_line_break_in_a_part_is_an_error_for_the_caller(value: Any, modern: bool) -> None:
    part = email.message.MIMEPart() if modern else MIMEBase("text", "plain")
    part.set_payload("text")
    part.set_raw("X-Value", value)
    with pytest.raises(EncodeError, match="line break"):
        data_of(with_(plain(), attachments=[part]))


def test_a_line_break_in_an_encoded_word_of_a_part_is_an_error_for_the_caller() -> None:
    part = mime_part()
    part["X-Value"] = "=?utf-8?q?a=0ABcc=3A_b?="
    with pytest.raises(EncodeError, match="line break"):
        data_of(with_(plain(), attachments=[part]))


@pytest.mark.parametrize("name", ["mixed_subtype", "alternative_subtype"])
def test_what_is_not_rendered_does_not_travel(name: str) -> None:
    """Django 5.2 alone has these, and the second in a message with alternatives."""
    message = mail.EmailMessage("S", "B", "f@a.test", ["t@a.test"])
    known = hasattr(message, name)
    setattr(message, name, "related")
    assert (name in data_of(message)) is known
    through_the_wire(message)


def test_a_member_of_an_enumeration_of_texts_is_its_text():
    """Its `str()` is its name."""
    body = enum.Enum("Bodies", {"HELLO": "Hello"}, type=str).HELLO
    message = mail.EmailMultiAlternatives("Subject", body, "a@x.test", ["b@x.test"])
    message.attach_alternative(body, "text/html")
    data = data_of(message)
    assert (data["body"], data["alternatives"]) == ("Hello", [["Hello", "text/html"]])
