"""Whether the addresses of a message are some; told by field and reason, never by the address."""

import re
from collections.abc import Iterator
from email.errors import InvalidHeaderDefect
from email.headerregistry import AddressHeader

from django.core.mail import EmailMessage

from mailqueue.codec.bounds import PLAIN
from mailqueue.codec.classes import traits
from mailqueue.errors import EncodeError
from mailqueue.mail.addresses import AddressError, addr_spec, idna

HEADERS = {"from", "sender", "to", "cc", "reply-to"} | {
    f"resent-{name}" for name in ("from", "sender", "to", "cc", "bcc")
}
MALFORMED = 64  # letters beyond ASCII in what is no address; Python takes 50 ms to write one
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
ANGLE = re.compile(r"<[^<>]*>")
DOMAIN = re.compile(r"@([^\s<>()\[\],;:@\"\\]+)")


def check_addresses(message: EmailMessage, *, force_ascii: bool) -> None:
    """Raise `EncodeError` for a sender or a recipient that SMTP cannot carry.

    With ``force_ascii`` also for one that it carries with SMTPUTF8 alone.
    """
    for field, value in envelope_of(message):
        if value is None:  # whose text is "None"
            raise EncodeError(f"{field}: no address that SMTP carries: empty")
        try:
            addr_spec(value, force_ascii=force_ascii)
        except AddressError as error:
            raise EncodeError(f"{field}: no address that SMTP carries: {error.reason}") from None


def check_malformed(message: EmailMessage) -> None:
    """Raise `EncodeError` for much in an address header that is no address, and not ASCII.

    Python writes such a thing word by word, anew from the start for each.
    """
    odd = [
        (field, text, sum(not char.isascii() for char in text))
        for field, text in ((field, str(value)) for field, value in headers_of(message))
        if not text.isascii() and not PLAIN.fullmatch(text)
    ]
    if sum(number for _, _, number in odd) <= MALFORMED:
        return
    left = MALFORMED
    for field, text, number in odd:
        if is_malformed(text):
            left -= number
        if left < 0:
            raise EncodeError(
                f"{field}: no address, and long to write: more than {MALFORMED} letters beyond "
                "ASCII in such are not allowed"
            )


def is_malformed(text: str) -> bool:
    """Tell whether Python finds a list of addresses to be none, but for an old way of writing."""
    try:
        defects = AddressHeader.value_parser(text).all_defects
    except Exception:  # noqa: BLE001 (it fails in many ways: HeaderParseError, IndexError, TypeError)
        return True
    return any(type(each) is InvalidHeaderDefect for each in defects)


def check_domains(message: EmailMessage) -> None:
    """Raise `EncodeError` for a domain in an address header that IDNA makes something else of."""
    for field, value in headers_of(message):
        text = QUOTED.sub("", str(value))
        if text.isascii():
            continue
        for part in ANGLE.findall(text) or [text]:
            for domain in DOMAIN.findall(part):
                try:
                    idna(domain.rstrip("."))
                except ValueError as error:
                    raise EncodeError(f"{field}: {error}") from None


def envelope_of(message: EmailMessage) -> Iterator[tuple[str, object]]:
    """Yield the sender and the recipients, each with the name of its field."""
    yield "from_email", message.from_email
    if traits(message).addresses:
        fields = {"recipients()": message.recipients()}
    else:
        fields = {name: getattr(message, name) for name in ("to", "cc", "bcc")}
    for name, values in fields.items():
        for index, value in enumerate(values):
            if value:  # as recipients() has it
                yield f"{name}[{index}]", value


def headers_of(message: EmailMessage) -> Iterator[tuple[str, object]]:
    """Yield what becomes a header of addresses, each with the name of its field."""
    yield "from_email", message.from_email
    for name in ("to", "cc", "reply_to"):
        for index, value in enumerate(getattr(message, name)):
            yield f"{name}[{index}]", value
    for name, value in message.extra_headers.items():
        if name.lower() in HEADERS:
            yield "headers", value
