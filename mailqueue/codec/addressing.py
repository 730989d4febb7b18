"""Whether the addresses of a message are some; told by field and reason, never by the address."""

import re
from collections.abc import Iterator

from django.core.mail import EmailMessage

from mailqueue.codec.classes import traits
from mailqueue.errors import EncodeError
from mailqueue.mail.addresses import AddressError, addr_spec, idna

HEADERS = {"from", "sender", "to", "cc", "reply-to"} | {
    f"resent-{name}" for name in ("from", "sender", "to", "cc", "bcc")
}
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
ANGLE = re.compile(r"<[^<>]*>")
DOMAIN = re.compile(r"@([^\s<>()\[\],;:@\"\\]+)")


def check_addresses(message: EmailMessage, *, force_ascii: bool) -> None:
    """Raise `EncodeError` for a sender or a recipient that SMTP cannot carry.

    With ``force_ascii`` also for one that it carries with SMTPUTF8 alone.
    """
    for field, value in envelope_of(message):
        try:
            addr_spec(value, force_ascii=force_ascii)
        except AddressError as error:
            raise EncodeError(f"{field}: no address that SMTP carries: {error.reason}") from None


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
