"""Every kind of message that Django accepts comes out of the wire as it went in."""

import copy
import email.message
import email.policy
from email.charset import QP, Charset
from email.header import Header
from email.headerregistry import Address, Group
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import django
import pytest
from django.core import mail
from django.utils import translation
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from mailqueue.errors import EncodeError
from tests.wire.render import MESSAGE_ID, data_of, frozen, renderings, through_the_wire

MODERN = django.VERSION >= (6, 0)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def plain(**fields: Any) -> mail.EmailMessage:
    values: dict[str, Any] = {
        "subject": "Subject",
        "body": "Body\n",
        "from_email": "from@example.test",
        "to": ["to@example.test"],
    }
    return mail.EmailMessage(**{**values, **fields})


def multi(**fields: Any) -> mail.EmailMultiAlternatives:
    values: dict[str, Any] = {
        "subject": "Sübject",
        "body": "Body\n",
        "from_email": "from@example.test",
        "to": ["to@example.test"],
    }
    message = mail.EmailMultiAlternatives(**{**values, **fields})
    message.attach_alternative("<p>Bödy</p>", "text/html")
    return message


def with_(message: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(message, name, value)
    return message


def image() -> MIMEBase:
    part = MIMEImage(PNG, "png")
    part.add_header("Content-ID", "<logo>")
    part.add_header("Content-Disposition", "inline", filename="lögo.png")
    return part


def python_message() -> email.message.EmailMessage:
    inner = email.message.EmailMessage()
    inner["Subject"] = "Ünïcode " * 20
    inner["From"] = 'Ärnold "Q" Quöte <a@example.test>'
    inner["To"] = "(a comment) b@example.test, Grüppe: c@example.test, d@example.test;"
    inner["Message-ID"] = "<python@example.test>"
    inner.set_content("text ä\n")
    inner.add_attachment(PNG, maintype="image", subtype="png", filename="ä" * 70 + ".png")
    return inner


def legacy_message() -> MIMEMultipart:
    inner = MIMEMultipart("related")
    inner["Subject"] = Header("Bjørn " * 30, "iso-8859-1")
    inner["From"] = "a@example.test"
    inner.attach(MIMEText("From here\nå\n", "plain", "utf-8"))
    inner.attach(image())
    inner.preamble = "before\n"
    inner.epilogue = "after\n"
    return inner


def mime_part() -> email.message.MIMEPart:
    part = email.message.MIMEPart()
    part.set_content(PNG, maintype="image", subtype="png", disposition="inline", cid="<x@y>")
    part["Content-Description"] = "long words " * 12
    part["X-Ünt".encode("ascii", "ignore").decode()] = "ünï"
    return part


def attached(*attachment: Any, **fields: Any) -> mail.EmailMessage:
    return with_(plain(**fields), attachments=[mail.EmailAttachment(*attachment)])


MESSAGES: dict[str, Any] = {
    "empty": lambda: mail.EmailMessage(from_email="from@example.test"),
    "plain": plain,
    "multi": multi,
    "multi without body": lambda: multi(body=""),
    "all addresses": lambda: plain(
        to=["a@example.test", "Ä <b@example.test>"],
        cc=['"Last, First" <c@example.test>'],
        bcc=["d@example.test"],
        reply_to=["e@example.test"],
    ),
    "address objects": lambda: plain(
        from_email=Address("Fröm", "from", "example.test"),
        to=[Address("Last, First", "a", "example.test")],
    ),
    "1,000 recipients": lambda: plain(
        to=[f"user{number}@example.test" for number in range(50)],
        bcc=[f"hidden{number}@example.test" for number in range(950)],
    ),
    "IDN": lambda: plain(to=["Jö <to@bücher.example>"], from_email="f@bücher.example"),
    "headers": lambda: plain(
        headers={
            "X-One": "1",
            "From": "other@example.test",
            "To": "undisclosed-recipients:;",
            "to": "ignored",
            "Date": "Mon, 1 Jan 2024 00:00:00 -0000",
            "X-Long": "wörd " * 40,
        }
    ),
    "own message id": lambda: plain(headers={"MESSAGE-ID": "<own@example.test>"}),
    "empty address": lambda: plain(to=["", "a@example.test"], cc=[]),
    "html": lambda: with_(plain(), content_subtype="html"),
    "latin": lambda: with_(plain(body="Åse\n"), encoding="iso-8859-1"),
    "latin multi": lambda: with_(multi(), encoding="iso-8859-1"),
    "long lines": lambda: plain(body="x" * 998 + "\n" + "y" * 2000 + "\n"),
    "line ends": lambda: plain(body="a\r\nb\rc\n\nFrom d\n.\n"),
    "safe string": lambda: plain(body=mark_safe("<b>")),
    "tuple": lambda: plain(attachments=[("a.txt", "tëxt", "text/plain")]),
    "binary": lambda: plain(attachments=[("ä.png", PNG, None)]),
    "text bytes": lambda: plain(attachments=[("a.csv", "ä;b\n".encode(), "text/csv")]),
    "not text": lambda: plain(attachments=[("a.txt", b"\xff\xfe", "text/plain")]),
    "no filename": lambda: attached(None, "BEGIN:VCALENDAR", "text/calendar"),
    "str as binary": lambda: attached("a.bin", "ascii", "application/octet-stream"),
    "empty file": lambda: attached("a.bin", b"", "application/octet-stream"),
    "attachment only": lambda: plain(body="", attachments=[("a.txt", "t", "text/plain")]),
    "django message": lambda: plain(
        attachments=[
            (
                "m.eml",
                with_(multi(), extra_headers={"Message-ID": "<i@x>", "Date": "now"}),
                "message/rfc822",
            )
        ]
    ),
    "bytes message": lambda: attached(
        "m.eml", b"Subject: x\r\nFrom: y\r\n\r\nbody\xe4\r\n", "message/rfc822"
    ),
    "text message": lambda: attached(None, "Subject: x\n\nbody", "message/rfc822"),
    "calendar alternative": lambda: with_(
        multi(),
        alternatives=[
            mail.EmailAlternative("BEGIN:VCALENDAR", 'text/calendar; method="REQUEST"'),
            mail.EmailAlternative(b"\x00\x01", "application/x-data"),
        ],
    ),
    "inline image": lambda: with_(multi(), attachments=[image()]),
    "legacy message": lambda: attached("m.eml", legacy_message(), "message/rfc822"),
}
if MODERN:
    MESSAGES |= {
        "mime part": lambda: with_(multi(), attachments=[mime_part()]),
        "python message": lambda: attached("m.eml", python_message(), "message/rfc822"),
        "body bytes": lambda: with_(plain(), body="tëxt\n".encode()),
        "header objects": lambda: plain(
            headers={
                "To": [Group("Gröup", (Address("", "a", "bücher.example"),))],
                "Sender": Address("Ä", "s", "example.test"),
                "X-Bytes": "ä".encode(),
            }
        ),
        "alternative bytes": lambda: with_(
            multi(), alternatives=[mail.EmailAlternative("ä".encode(), "text/html")]
        ),
    }
    del MESSAGES["legacy message"]  # Python's policies cannot fold a Header object
else:
    MESSAGES |= {
        "charset object": lambda: with_(plain(body="Åse\n"), encoding=charset()),
        "related": lambda: with_(multi(attachments=[image()]), mixed_subtype="related"),
        "other alternative": lambda: with_(multi(), alternative_subtype="x-other"),
        "number as header": lambda: plain(headers={"X-Priority": 1, "X-Float": 1.5}),
        "header object": lambda: plain(headers={"X-H": Header("ä", "latin-1")}),
    }


def charset() -> Charset:
    value = Charset("iso-8859-1")
    value.body_encoding = QP
    value.header_encoding = QP
    return value


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


def test_lone_surrogates_arrive() -> None:
    """A field that no rendering shows may hold any str; a pair must not become one character."""
    message = plain(subject="a\udce9 \ud83d\ude00 \x00\x85")
    assert through_the_wire(message).subject == message.subject


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
