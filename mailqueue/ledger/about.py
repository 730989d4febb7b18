"""What a row tells of its mail beside the payload: the subject, and whom it goes to.

It is readable as long as the row is there, encrypted where the mailer has keys. A recipient is
found by a keyed hash of the address, which tells nothing to those without SECRET_KEY.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mailqueue.errors import DecodeError
from mailqueue.mail.addresses import addr_spec, idna
from mailqueue.wire.envelope import Envelope
from mailqueue.wire.signature import Keys

PURPOSE = b"mailqueue about 1"
SALT = "mailqueue.recipient"
PLAIN = "{"  # the first character of what is not encrypted


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """The subject of a mail and its recipients, those of Bcc among them."""

    subject: str = dataclasses.field(repr=False)
    recipients: tuple[str, ...] = dataclasses.field(repr=False)


def about(envelope: Envelope) -> About:
    """Return what is to be told of an envelope."""
    message = envelope.message
    recipients = envelope.recipients
    if recipients is None:
        recipients = tuple(dict.fromkeys(recipients_of(message)))
    subject = message.get("subject", "")
    return About(subject if isinstance(subject, str) else "", recipients)


def recipients_of(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the recipients of a message as data, as `EmailMessage.recipients` has them."""
    named = ("recipients",) if message.get("recipients") is not None else ("to", "cc", "bcc")
    for name in named:
        for address in message.get(name, ()):
            if address and isinstance(address, str):
                yield address


def written(told: About, keys: Keys) -> str:
    """Return it as a column has it."""
    line = _to_json({"subject": told.subject, "recipients": told.recipients})
    if line.isprintable() and keys.cipher is None:
        return line
    if keys.cipher is None:  # a database takes no lone surrogate, and PostgreSQL no NUL
        return json.dumps({"subject": told.subject, "recipients": told.recipients})
    sealed = keys.cipher.encrypt(line.encode("utf-8", "surrogatepass"), PURPOSE)
    return base64.b64encode(sealed).decode("ascii")


def read(text: str, keys: Keys) -> About | None:
    """Return what a column tells; None where it tells nothing, or if none of the keys opens it."""
    if not text:
        return None
    try:
        line = text if text.startswith(PLAIN) else opened(text, keys)
        data = json.loads(line)
        return About(str(data["subject"]), tuple(map(str, data["recipients"])))
    except (DecodeError, ValueError, KeyError, TypeError):
        return None


def opened(text: str, keys: Keys) -> str:
    if keys.cipher is None:
        raise DecodeError("no encryption key opens it")
    try:
        sealed = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise DecodeError("not in base64") from None
    return keys.cipher.decrypt(sealed, PURPOSE).decode("utf-8", "surrogatepass")


def digests(addresses: Sequence[str], keys: Keys) -> list[str]:
    """Return by what the recipients are found, each once."""
    return list(dict.fromkeys(keys.digest(mailbox(address), SALT) for address in addresses))


def searched(address: str, keys: Keys) -> list[str]:
    """Return by what a recipient may be found: under SECRET_KEY and each of its fallbacks."""
    return keys.digests(mailbox(address), SALT)


def mailbox(address: str) -> str:
    """Return an address without a name, as those are compared who mean the same person.

    In lower case: folded (`str.casefold`) one with an "ß" would be that of somebody with "ss".
    """
    try:
        spec = addr_spec(address, force_ascii=False)
    except ValueError:  # what SMTP does not carry, and an ESP may
        spec = address
    local, at, domain = spec.strip().rpartition("@")
    with suppress(ValueError):
        domain = idna(domain)
    return f"{local}{at}{domain}".lower()


_to_json = json.JSONEncoder(ensure_ascii=False).encode
