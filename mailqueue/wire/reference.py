"""What travels instead of an envelope when the database ledger keeps it: its id and mailer.

1.ref.<base64 of JSON>:<signature>
"""

import binascii
import dataclasses
import json

from mailqueue.errors import DecodeError
from mailqueue.wire.envelope import IDENTIFIER
from mailqueue.wire.fields import Fields
from mailqueue.wire.signature import Keys

PREFIX = "1.ref."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Names an envelope that the database ledger keeps."""

    id: str
    mailer: str


def refer(reference: Reference, keys: Keys) -> str:
    """Return the reference as signed ASCII text."""
    data = json.dumps({"id": reference.id, "mailer": reference.mailer}).encode()
    return keys.sign(PREFIX + binascii.b2a_base64(data, newline=False).decode("ascii"))


def is_reference(text: object) -> bool:
    """Tell a reference from an envelope; neither is verified yet."""
    return isinstance(text, str) and text.startswith(PREFIX)


def resolve(text: str, keys: Keys) -> Reference:
    """Return the reference; raise `BadSignature` or `DecodeError`."""
    encoded = keys.verify(text).removeprefix(PREFIX)
    try:
        data = json.loads(binascii.a2b_base64(encoded, strict_mode=True))
    except (ValueError, RecursionError):
        raise DecodeError("the reference is not JSON") from None
    fields = Fields(data, "reference")
    reference = Reference(id=fields.take("id", str), mailer=fields.take("mailer", str))
    fields.end()
    if not IDENTIFIER.fullmatch(reference.id):
        raise DecodeError("reference: 'id' is out of range")
    return reference
