"""Data as a message again. Pure.

Every field is checked: a signature proves only who wrote it.
"""

from collections.abc import Callable, Collection, Mapping
from email.charset import Charset
from email.errors import MessageError
from typing import Any, NoReturn, TypeVar, cast

from django.core.mail import EmailAlternative, EmailAttachment, EmailMessage

from mailqueue.codec.attributes import set_attributes
from mailqueue.codec.classes import blank_message
from mailqueue.codec.contents import MOST_CONTENTS
from mailqueue.codec.encode import (
    ADDRESS_LISTS,
    CHARSET_FIELDS,
    DEPTH,
    MOST_RECIPIENTS,
    SUBTYPES,
)
from mailqueue.codec.mime import decode_part
from mailqueue.codec.mime_headers import decode_name
from mailqueue.codec.values import decode_value
from mailqueue.errors import DecodeError
from mailqueue.wire.attachments import ClaimCheck, claim_checks
from mailqueue.wire.fields import Fields, pair_of, typed

T = TypeVar("T")
Fetch = Callable[[ClaimCheck], bytes]


def refuse(claim: ClaimCheck) -> NoReturn:
    """Refuse a claim: this worker was given no storage to fetch from."""
    raise DecodeError("message: claims: no storage to fetch from")


def decode(
    data: Mapping[str, Any], *, fetch: Fetch = refuse, attributes: Collection[str] = ()
) -> EmailMessage:
    """Return the message that `encode` was given, ready to render.

    ``fetch`` returns the content of a claim (`attachments`); ``attributes`` names what else a
    message may carry. Raises `DecodeError`, of which `UnknownAttribute` is one.
    """
    if not isinstance(data, Mapping):
        raise DecodeError("message: expected an object")
    rest = dict(data)
    blobs = typed(rest.pop("blobs", []), list, "message: blobs")
    if not all(type(blob) is bytes for blob in blobs):
        raise DecodeError("message: blobs: expected bytes")
    claims = claim_checks(rest)
    rest.pop("claims", None)
    if len(blobs) + len(claims) > MOST_CONTENTS:
        raise DecodeError(f"message: more than {MOST_CONTENTS} contents")
    extra = typed(rest.pop("attributes", {}), dict, "message: attributes")
    message: EmailMessage = Decoder(blobs, claims, fetch).message(rest, "message")
    set_attributes(message, extra, attributes, "message: attributes")
    return message


class Decoder:
    """Decode one message and those inside it, with the contents that lie beside them."""

    def __init__(self, blobs: list[bytes], claims: list[ClaimCheck], fetch: Fetch) -> None:
        self.blobs = blobs
        self.claims = claims
        self.fetch = fetch
        self.used: set[tuple[str, int]] = set()

    def message(self, data: object, where: str, depth: int = 0) -> Any:
        if depth > DEPTH:
            raise DecodeError(f"{where}: messages nested deeper than {DEPTH}")
        fields = Fields(data, where)
        message: Any = self.blank(fields, where)
        message.subject = text(fields.any("subject", ""), where)
        message.from_email = text(fields.any("from_email", ""), where)
        for name in ADDRESS_LISTS:
            setattr(message, name, texts(fields.take(name, list, []), f"{where}: {name}"))
        message.extra_headers = headers(fields.take("headers", list), where)
        message.body = self.content(fields.any("body", ""), f"{where}: body", depth)
        message.encoding = charset(fields.any("charset"), where)
        message.content_subtype = fields.take("content_subtype", str, "plain")
        for name in SUBTYPES:
            if (subtype := fields.take(name, str, None)) is not None:
                if not hasattr(message, name):
                    raise DecodeError(f"{where}: this Django knows no {name}")
                setattr(message, name, subtype)
        message.attachments = [
            self.attachment(item, f"{where}: attachments[{index}]", depth)
            for index, item in enumerate(fields.take("attachments", list, []))
        ]
        if (alternatives := fields.take("alternatives", list, None)) is not None:
            message.alternatives = [
                self.alternative(item, f"{where}: alternatives[{index}]", depth)
                for index, item in enumerate(alternatives)
            ]
        fields.end()
        return message

    def blank(self, fields: Fields, where: str) -> Any:
        mime = fields.take("mime", dict, None)
        recipients = fields.take("recipients", list, None)
        return blank_message(
            fields.take("api", str),
            multi="alternatives" in fields,
            mime=None if mime is None else decode_part(mime, f"{where}: mime", self.text),
            recipients=None if recipients is None else texts(recipients, f"{where}: recipients"),
        )

    def alternative(self, item: object, where: str, depth: int) -> EmailAlternative:
        content, mimetype = pair_of(item, where)
        return EmailAlternative(self.content(content, where, depth), text(mimetype, where))

    def attachment(self, item: object, where: str, depth: int) -> Any:
        if type(item) is dict:
            return decode_part(item, where, self.text)
        triple = typed(item, list, where)
        if len(triple) != 3:
            raise DecodeError(f"{where}: expected three items")
        filename, content, mimetype = triple
        return EmailAttachment(
            text(filename, where), self.content(content, where, depth), text(mimetype, where)
        )

    def content(self, data: object, where: str, depth: int) -> Any:
        if type(data) is str:
            return data
        [(tag, value)] = one(data, where)
        if tag == "blob":
            return self.once(tag, self.blobs, value, where)
        if tag == "claim":
            return self.fetch(self.once("claim", self.claims, value, where))
        if tag == "text_claim":
            return self.text(data, where)
        if tag == "message":
            return self.message(value, where, depth + 1)
        if tag == "mime":
            return decode_part(value, where, self.text)
        raise DecodeError(f"{where}: unknown kind of content")

    def text(self, data: object, where: str) -> str:
        if type(data) is str:
            return data
        [(tag, value)] = one(data, where)
        if tag != "text_claim":
            raise DecodeError(f"{where}: expected a text")
        raw = self.fetch(self.once("claim", self.claims, value, where))
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise DecodeError(f"{where}: not a text") from None

    def once(self, kind: str, items: list[T], index: object, where: str) -> T:
        """Return an item that was not returned before: else few bytes would make many."""
        item = at(items, index, where)
        if (key := (kind, cast("int", index))) in self.used:
            raise DecodeError(f"{where}: a content that was used before")
        self.used.add(key)
        return item


def at(items: list[T], index: object, where: str) -> T:
    if typed(index, int, where) not in range(len(items)):
        raise DecodeError(f"{where}: a content that is not there")
    return items[index]  # type: ignore[call-overload, no-any-return]


def one(data: object, where: str) -> list[tuple[str, Any]]:
    items = list(typed(data, dict, where).items())
    if len(items) != 1:
        raise DecodeError(f"{where}: expected one tagged content")
    return items


def text(value: object, where: str) -> Any:
    return value if value is None else typed(value, str, where)


def texts(values: list[Any], where: str) -> list[Any]:
    if not all(type(value) is str or value is None for value in values):
        raise DecodeError(f"{where}: expected texts")
    if len(values) > MOST_RECIPIENTS:
        raise DecodeError(f"{where}: {len(values)} addresses; {MOST_RECIPIENTS} are allowed")
    return list(values)


def headers(pairs: list[Any], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in pairs:
        name, value = pair_of(item, f"{where}: headers")
        result[decode_name(name, where)] = decode_value(value, f"{where}: headers")
    if len(result) != len(pairs):
        raise DecodeError(f"{where}: headers: a name twice")
    return result


def charset(data: object, where: str) -> Any:
    if type(data) is str:
        return data
    values = typed(data, list, f"{where}: charset")
    if len(values) != len(CHARSET_FIELDS):
        raise DecodeError(f"{where}: charset: expected {len(CHARSET_FIELDS)} items")
    for name, value in zip(CHARSET_FIELDS, values, strict=True):
        kind = int if name.endswith("_encoding") else str
        if value is not None and type(value) is not kind:
            raise DecodeError(f"{where}: charset: {name}")
    try:
        result = Charset(typed(values[0], str, f"{where}: charset"))
    except (LookupError, ValueError, MessageError):
        raise DecodeError(f"{where}: charset: not known") from None
    for name, value in zip(CHARSET_FIELDS, values, strict=True):
        setattr(result, name, value)
    return result
