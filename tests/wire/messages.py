"""Messages of every kind that Django accepts, each built the same way each time.

The stored samples are of these: never change one, add another.
"""

import email
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
from django.core import mail
from django.utils.safestring import mark_safe

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


def named_header() -> MIMEText:
    part = MIMEText("text", "plain", "utf-8")
    part["Content-Description"] = Header("Bjørn " * 9, "utf-8", header_name="Content-Description")
    return part


def mime_part() -> email.message.MIMEPart:
    part = email.message.MIMEPart()
    part.set_content(PNG, maintype="image", subtype="png", disposition="inline", cid="<x@y>")
    part["Content-Description"] = "long words " * 12
    part["X-Ünt".encode("ascii", "ignore").decode()] = "ünï"
    return part


def modern_multipart() -> email.message.EmailMessage:
    inner = email.message.EmailMessage()
    inner["Subject"] = "parts"
    inner.set_content("one\n")
    inner.make_mixed()
    inner.preamble = "before\n"
    inner.epilogue = "after\n"
    digest = email.message.MIMEPart()
    digest["Content-Type"] = "multipart/digest"
    digest.set_payload(
        [email.message_from_string("\nSubject: x\n\ny", policy=email.policy.default)]
    )
    digest.get_payload()[0].set_default_type("message/rfc822")
    inner.attach(digest)
    return inner


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
        "modern multipart": lambda: attached("m.eml", modern_multipart(), "message/rfc822"),
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
        "named header": lambda: with_(plain(), attachments=[named_header()]),
        "header object": lambda: plain(headers={"X-H": Header("ä", "latin-1")}),
    }


def charset() -> Charset:
    value = Charset("iso-8859-1")
    value.body_encoding = QP
    value.header_encoding = QP
    return value
