"""A message as data that JSON can hold, but for ``blobs``, its binary contents as bytes. Pure."""

import email.message
import functools
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from email.charset import Charset
from email.headerregistry import Address, Group
from email.utils import format_datetime
from typing import Any

from django.core.mail import EmailMessage
from django.utils.functional import Promise

from mailqueue.codec.attributes import encode_attributes
from mailqueue.codec.classes import known_class, traits
from mailqueue.codec.contents import Contents, Keep
from mailqueue.codec.mime_headers import encode_name
from mailqueue.codec.values import encode_value
from mailqueue.errors import EncodeError

DEPTH = 20
MOST_RECIPIENTS = 10_000  # in one field; more are a list, which has a mail for each
ADDRESS_LISTS = ("to", "cc", "bcc", "reply_to")
SUBTYPES = {"mixed_subtype": "mixed", "alternative_subtype": "alternative"}  # Django 5.2 has them
CHARSET_FIELDS = (
    *("input_charset", "header_encoding", "body_encoding"),
    *("output_charset", "input_codec", "output_codec"),
)


def encode(
    message: EmailMessage,
    *,
    date: datetime,
    message_id: str,
    charset: str,
    attributes: Collection[str] = (),
    keep: Keep = lambda content: None,
    spell: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Return the message as data, leaving it as it is.

    ``date`` and ``message_id`` become its first headers when it has none of its own; ``charset``
    is what it is rendered in when it names none. Lazy strings take the active language.
    ``attributes`` names what else to carry of it; ``keep`` is asked for each content whether it
    has put that in a safe place (`attachments`), and ``spell`` how to write the address of a sender
    or recipient. Raises `EncodeError`, which names the part that
    cannot be carried and never its content.
    """
    when = written(date, date.utcoffset())
    encoder = Encoder(date=when, charset=charset, keep=keep, spell=spell)
    data = encoder.message(message, message_id, "message")
    if attributes and (extra := encode_attributes(message, attributes, "message")):
        data["attributes"] = extra
    if blobs := encoder.contents.blobs:
        data["blobs"] = blobs
    if claims := encoder.contents.claims:
        data["claims"] = [claim.as_data() for claim in claims]
    return data


@functools.lru_cache(maxsize=8)
def written(date: datetime, offset: timedelta | None) -> str:
    """Return a date as a header has it: made once for the mails of a second.

    ``offset`` is the date's own: Python takes two dates for equal that mean one time in two zones.
    """
    return format_datetime(date)


class Encoder:
    """Encode one message and those inside it, collecting their contents."""

    def __init__(self, *, date: str, charset: str, keep: Keep, spell: Callable[[str], str]) -> None:
        self.contents = Contents(keep)
        self.spell = spell
        self.date = date
        self.charset = charset

    def message(
        self, message: EmailMessage, message_id: str, where: str, depth: int = 0
    ) -> dict[str, Any]:
        if not isinstance(message, EmailMessage):
            raise EncodeError(f"{where}: expected EmailMessage, got {type(message).__name__}")
        if depth > DEPTH:
            raise EncodeError(f"{where}: messages nested deeper than {DEPTH}")
        kind = traits(message)
        mime = self.contents.rendered(message, where) if kind.renders else None
        data: dict[str, Any] = {"api": kind.api}
        if (subject := text(message.subject, f"{where}: subject")) != "":
            data["subject"] = subject
        if (sender := self.address(message.from_email, f"{where}: from_email")) != "":
            data["from_email"] = sender
        for name in ADDRESS_LISTS:
            if values := getattr(message, name):
                data[name] = self.addresses(values, f"{where}: {name}")
        data["headers"] = self.headers(message, mime, message_id, where)
        if body := message.body:
            data["body"] = self.content(body, f"{where}: body", message_id, depth)
        data["charset"] = self.encoding(message, where)
        if (subtype := str(message.content_subtype)) != "plain":
            data["content_subtype"] = subtype
        for name, usual in SUBTYPES.items():
            subtype = getattr(message, name, usual)
            # What an object has though its class does not know it is not rendered.
            if subtype != usual and hasattr(known_class(kind), name):
                data[name] = str(subtype)
        self.parts(data, message, kind.multi, message_id, where, depth)
        if mime is not None:
            data["mime"] = self.contents.part(mime, f"{where}: message()")
        if kind.renders or kind.addresses:
            data["recipients"] = self.addresses(message.recipients(), f"{where}: recipients")
        return data

    def address(self, value: Any, where: str) -> str | None:
        """Return an address, written as the one who delivers wants it."""
        # The text itself: the `str()` of an enumeration's member is its name.
        written = str.__str__(value) if isinstance(value, str) else text(value, where)
        return written and self.spell(written)

    def addresses(self, values: Any, where: str) -> list[str | None]:
        if not isinstance(values, (list, tuple)):
            raise EncodeError(f"{where}: expected a list or tuple, got {type(values).__name__}")
        if len(values) > MOST_RECIPIENTS:
            raise EncodeError(f"{where}: {len(values)} addresses; {MOST_RECIPIENTS} are allowed")
        return [self.address(value, where) for value in values]

    def parts(
        self,
        data: dict[str, Any],
        message: Any,
        multi: bool,
        message_id: str,
        where: str,
        depth: int,
    ) -> None:
        """Add the alternatives and attachments."""
        if multi:
            data["alternatives"] = [
                self.alternative(item, message_id, f"{where}: alternatives[{index}]", depth)
                for index, item in enumerate(message.alternatives or ())
            ]
        if message.attachments:
            data["attachments"] = [
                self.attachment(item, message_id, f"{where}: attachments[{index}]", depth)
                for index, item in enumerate(message.attachments)
            ]

    def headers(
        self, message: EmailMessage, mime: Any, message_id: str, where: str
    ) -> list[list[Any]]:
        """Return the headers; a message that renders itself has made its own date and id."""
        extra = message.extra_headers
        if not isinstance(extra, (dict, Mapping)):  # the ABC alone is slow to ask
            raise EncodeError(f"{where}: headers: expected a dict, got {type(extra).__name__}")
        pairs = []
        names = set()
        for name, value in extra.items():
            spelt = encode_name(str(name) if isinstance(name, Promise) else name, where)
            names.add(spelt.lower())
            pairs.append([spelt, header(value, f"{where}: headers")])
        fixed = [["Date", self.date], ["Message-ID", message_id]]
        missing = [
            [name, str(mime[name]) if mime and mime[name] else value]
            for name, value in fixed
            if name.lower() not in names
        ]
        return missing + pairs

    def encoding(self, message: EmailMessage, where: str) -> Any:
        value: Any = message.encoding or self.charset
        if isinstance(value, str):
            return str(value)
        if type(value) is not Charset or callable(value.body_encoding):
            raise EncodeError(f"{where}: encoding: {type(value).__name__} cannot be queued")
        return [getattr(value, name) for name in CHARSET_FIELDS]

    def alternative(self, item: Any, message_id: str, where: str, depth: int) -> list[Any]:
        try:
            content, mimetype = item
        except (TypeError, ValueError):
            raise EncodeError(f"{where}: expected (content, mimetype)") from None
        return [self.content(content, where, message_id, depth), text(mimetype, where)]

    def attachment(self, item: Any, message_id: str, where: str, depth: int) -> Any:
        if isinstance(item, email.message.Message):
            return self.contents.part(item, where)
        try:
            filename, content, mimetype = item
        except (TypeError, ValueError):
            raise EncodeError(f"{where}: expected (filename, content, mimetype)") from None
        return [
            text(filename, f"{where}: filename"),
            self.content(content, where, message_id, depth),
            text(mimetype, f"{where}: mimetype"),
        ]

    def content(self, content: Any, where: str, message_id: str, depth: int) -> Any:
        if isinstance(content, str):  # the text itself, as of an address
            return self.contents.text(str.__str__(content))
        if isinstance(content, Promise):
            return self.contents.text(str(content))
        if isinstance(content, (bytes, bytearray, memoryview)):
            return self.contents.binary(bytes(content))
        if isinstance(content, EmailMessage):
            inner = inner_id(message_id, where)
            return {"message": self.message(content, inner, where, depth + 1)}
        if isinstance(content, email.message.Message):
            return {"mime": self.contents.part(content, where)}
        raise EncodeError(f"{where}: content of type {type(content).__name__} cannot be queued")


def text(value: Any, where: str) -> str | None:
    """Return what Django would write for the value: its `str()`, in the active language."""
    if type(value) is str or value is None:
        return value
    if isinstance(value, (str, Promise, Address, Group, email.header.Header)):
        return str(value)
    raise EncodeError(f"{where}: expected a text, got {type(value).__name__}")


def header(value: Any, where: str) -> Any:
    """Return a header's value as data; what has no form of its own travels as its `str()`.

    Django, too, takes the `str()` of what it does not know.
    """
    try:
        return encode_value(value, where)
    except EncodeError:
        return str(value)


def inner_id(message_id: str, where: str) -> str:
    """Return the Message-ID of a message inside one: as fixed as the outer, and another."""
    place = "".join(char for char in where if char.isdigit()) or "0"
    local, at, domain = message_id.rpartition("@")
    return f"{local}.{place}{at}{domain}" if at else f"{message_id}.{place}"
