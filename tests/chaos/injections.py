"""Places of a message where a line break could forge something, and what to put there."""

import base64
import dataclasses
import email.message
from collections.abc import Callable
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from typing import Any
from urllib.parse import quote

BODY, HTML, FILE, PIXELS = "Hello.", "<p>Hello.</p>", "a;b", b"\x89PNG\x00"
CONTENTS = {BODY.encode(), HTML.encode(), FILE.encode(), PIXELS}

EVIL = "evil@evil.test"
# All of str.splitlines(), and NUL.
BREAKS = (
    *("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"),
    "\0",
)
# What follows a break; {} is one more of it.
PAYLOADS = (
    "X-Evil: evil",
    "X-Evil : evil",  # obsolete, and read by all (RFC 5322 section 4.5)
    f"Bcc: {EVIL}",
    "Content-Type: text/evil{}{}EVIL",
    "Content-Type : text/evil{}X-Evil : evil",
    "{}EVIL",
    " X-Evil: evil{}X-Evil: evil",  # a folded line first
)
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "q": lambda text: f"=?utf-8?q?{quoted(text)}?=",
    "b": lambda text: f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?=",
    "latin-1": lambda text: f"=?iso-8859-1?q?{quoted(text, 'latin-1')}?=",
    "percent": lambda text: f"utf-8''{quote(text)}",
    "percents": lambda text: quote(text),
}


def quoted(text: str, charset: str = "utf-8") -> str:
    return "".join(f"={byte:02X}" for byte in text.encode(charset, "replace"))


@dataclasses.dataclass(frozen=True)
class Injection:
    """One try: `text` is what the attacker gave."""

    place: str
    form: str
    broken: str
    doubled: bool
    payload: str

    @property
    def text(self) -> str:
        before = self.broken * (1 + self.doubled)
        return FORMS[self.form](f"a{before}{self.payload.replace('{}', self.broken)}")


def made(cls: Any, **fields: Any) -> Any:
    values = {"subject": "Hello", "body": BODY, "from_email": "from@example.test"}
    return cls(**{**values, "to": ["to@example.test"], **fields})


def headers(name: str) -> Callable[[Any, str], Any]:
    return lambda cls, text: made(cls, headers={name: text})


def address(field: str, form: str) -> Callable[[Any, str], Any]:
    def make(cls: Any, text: str) -> Any:
        value = form.format(text)
        return made(cls, **{field: value if field == "from_email" else [value]})

    return make


def attached(*attachment: Any) -> Callable[[Any, str], Any]:
    """Return what attaches this, with the text in place of None."""

    def make(cls: Any, text: str) -> Any:
        message = made(cls)
        message.attach(*(text if item is None else item for item in attachment))
        return message

    return make


def with_part(change: Callable[[Any, str], object], kind: Callable[[], Any]) -> Any:
    def make(cls: Any, text: str) -> Any:
        message, part = made(cls), kind()
        change(part, text)
        message.attachments.append(part)  # attach() warns of MIMEBase
        return message

    return make


def image() -> MIMEBase:
    return MIMEImage(PIXELS, "png")


def modern() -> email.message.MIMEPart:
    part = email.message.MIMEPart()
    part.set_content(PIXELS, "image", "png")
    return part


def python_message() -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message.set_content(BODY)
    return message


def set_header(name: str) -> Callable[[Any, str], object]:
    return lambda part, text: part.__setitem__(name, text)


def disposition(part: Any, text: str) -> None:
    del part["Content-Disposition"]
    part.add_header("Content-Disposition", "attachment", filename=text)


def subtype(cls: Any, text: str) -> Any:
    message = made(cls)
    message.content_subtype = text
    return message


def charset(cls: Any, text: str) -> Any:
    message = made(cls)
    message.encoding = text
    return message


def alternative(cls: Any, text: str) -> Any:
    message = made(cls)
    message.attach_alternative(HTML, text)
    return message


def inside(place: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def make(cls: Any, text: str) -> Any:
        message = made(cls)
        message.attach("inner.eml", place(cls, text), "message/rfc822")
        return message

    return make


def tuples(cls: Any, text: str) -> Any:
    return made(cls, attachments=[(text, FILE, "text/csv")])


PLACES: dict[str, Callable[[Any, str], Any]] = {
    "subject": lambda cls, text: made(cls, subject=text),
    "content_subtype": subtype,
    "charset": charset,
    "alternative's type": alternative,
    "file name, binary": attached(None, PIXELS, "image/png"),
    "file name, text": attached(None, FILE, "text/csv"),
    "file name, guessed": attached(None, PIXELS),
    "file name of a tuple": tuples,
    "attachment's type": attached("a.png", PIXELS, None),
    "attached message's name": lambda cls, text: attached(None, made(cls), "message/rfc822")(
        cls, text
    ),
    "attached message's subject": inside(lambda cls, text: made(cls, subject=text)),
    "attached message's to": inside(address("to", "{} <to@example.test>")),
    "attached message's header": inside(headers("X-Value")),
    "attached message's file name": inside(attached(None, PIXELS, "image/png")),
    "header name": lambda cls, text: made(cls, headers={f"X-{text}": "value"}),
    **{f"header {name}": headers(name) for name in ("X-Value", "Sender", "References", "To")},
    **{f"header {name}": headers(name) for name in ("Message-ID", "Date", "List-Unsubscribe")},
    **{f"header {name}": headers(name) for name in ("Content-Type", "MIME-Version", "From")},
    **{
        f"{field}, {what}": address(field, form)
        for field in ("from_email", "to", "cc", "bcc", "reply_to")
        for what, form in (
            ("name", "{} <to@example.test>"),
            ("quoted name", '"{}" <to@example.test>'),
            ("local part", "{}@example.test"),
            ("domain", "to@example.{}"),
        )
    },
    "image's header": with_part(set_header("X-Value"), image),
    "image's header name": with_part(
        lambda part, text: part.__setitem__(f"X-{text}", "value"), image
    ),
    "image's Content-ID": with_part(set_header("Content-ID"), image),
    "image's file name": with_part(disposition, image),
    "image's parameter": with_part(lambda part, text: part.set_param("name", text), image),
    "MIMEPart's header": with_part(set_header("X-Value"), modern),
    "MIMEPart's Content-ID": with_part(set_header("Content-ID"), modern),
    "MIMEPart's file name": with_part(disposition, modern),
    "Python's message's subject": with_part(set_header("Subject"), python_message),
    "Python's message's to": with_part(set_header("To"), python_message),
}  # fmt: skip

# No place of an attack: an .eml is wholly its author's, and an encoded word in a header NAME is
# decoded by nobody (RFC 2047 section 5).
HARMLESS = {("header name", form) for form in FORMS if form != "plain"} | {
    ("image's header name", form) for form in FORMS if form != "plain"
}
