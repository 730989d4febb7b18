"""The envelope: a message with what the queue knows about it, packed as signed ASCII text. Pure.

    1.json.<base64 of body>:<signature>
    1.aesgcm.<base64 of nonce, encrypted body, tag>:<signature>

The body is one line of JSON, a line feed, then the binary contents one after the other; the JSON
says how long each is. Version 1 stays readable for ever; see `docs/reference/wire.md`.
"""

import binascii
import dataclasses
import json
import math
import re
from typing import Any

from mailqueue.errors import DecodeError, EncodeError, UnsupportedVersion
from mailqueue.wire.fields import Fields, typed
from mailqueue.wire.signature import Keys as Keys

VERSION = "1"
PLAIN = "json"
SEALED = "aesgcm"
PURPOSE = b"mailqueue envelope 1"
LIMIT = 64 * 2**20  # characters; nothing longer is even verified
NESTING = 300  # JSON arrays and objects in one another; what the codec makes has at most 240
LATEST = 253_370_764_800.0  # 9999-01-01: no database and no `datetime` goes much further
MOST_ATTEMPTS = 2**31 - 1
IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context 3.2
PREFIX = re.compile(r"([0-9]{1,6})\.")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """One queued message.

    ``mailer`` is the alias that accepted it; ``recipients`` are those still to be delivered to,
    None for all. Times are Unix seconds; ``attempts`` counts those that were charged; ``resent``
    tells that the answer to the whole message was lost once, and that it was sent again.
    ``traceparent`` is the W3C trace context of who queued it, where somebody follows it.
    """

    id: str
    mailer: str
    queued_at: float
    message: dict[str, Any] = dataclasses.field(repr=False)
    recipients: tuple[str, ...] | None = dataclasses.field(default=None, repr=False)
    attempts: int = 0
    resent: bool = False
    due_at: float | None = dataclasses.field(default=None, repr=False)
    expires_at: float | None = dataclasses.field(default=None, repr=False)
    traceparent: str | None = dataclasses.field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Envelope {self.id} mailer={self.mailer!r} attempts={self.attempts}>"


def fresh(envelope: Envelope, *, now: float) -> Envelope:
    """Return the envelope as if it were queued now and never tried; it does not expire.

    The trace of who queued it first may be over since weeks.
    """
    return dataclasses.replace(
        envelope,
        attempts=0,
        resent=False,
        due_at=None,
        expires_at=None,
        traceparent=None,
        queued_at=now,
    )


def pack(envelope: Envelope, keys: Keys, *, limit: int = LIMIT) -> str:
    """Return the envelope as ASCII text that only a holder of the keys could have written.

    Raises `EncodeError` when that has more than ``limit`` characters.
    """
    message = envelope.message
    if blobs := message.get("blobs", ()):
        message = message | {"blobs": [len(blob) for blob in blobs]}
    data: dict[str, Any] = {
        "id": envelope.id,
        "mailer": envelope.mailer,
        "queued_at": envelope.queued_at,
    }
    for name in ("recipients", "attempts", "due_at", "expires_at", "traceparent"):
        value = getattr(envelope, name)
        if value is not None:
            data[name] = value
    if envelope.resent:
        data["resent"] = True
    data["message"] = message
    try:
        # surrogatepass: a lone surrogate is legal in a str and must arrive.
        line = _to_json(data).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        raise EncodeError("the message data is not JSON") from None
    body = b"".join((line, b"\n", *blobs))
    form = PLAIN
    if keys.cipher is not None:
        form, body = SEALED, keys.cipher.encrypt(body, PURPOSE)
    encoded = binascii.b2a_base64(body, newline=False).decode("ascii")
    packed = keys.sign(f"{VERSION}.{form}.{encoded}")
    if len(packed) > limit:
        raise EncodeError(f"the message is {len(packed)} bytes when packed; {limit} are allowed")
    return packed


def unpack(text: str, keys: Keys, *, limit: int = LIMIT) -> Envelope:
    """Return the envelope; raise `UnsupportedVersion`, `BadSignature` or `DecodeError`.

    What is unpacked can be packed again.
    """
    try:
        return _unpack(text, keys, limit)
    except DecodeError:
        raise
    except Exception as error:  # noqa: BLE001 (those that are read with it must not suffer)
        raise DecodeError(f"the envelope cannot be read: {type(error).__name__}") from None


def _unpack(text: str, keys: Keys, limit: int) -> Envelope:
    if len(typed(text, str, "envelope")) > limit:
        raise DecodeError(f"the envelope has {len(text)} characters; {limit} are allowed")
    prefix = PREFIX.match(text)
    if prefix is None:
        raise DecodeError("not an envelope")
    if prefix[1] != VERSION:  # before the signature, which a later version may make otherwise
        raise UnsupportedVersion(f"this mailqueue does not read version {prefix[1]} of the wire")
    if not text.isascii():
        raise DecodeError("not an envelope")
    _, form, encoded = _split(keys.verify(text))
    try:
        line, found, rest = _open(form, encoded, keys).partition(b"\n")
        data = _from_json(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise DecodeError("the envelope is not JSON") from None
    if not found:
        raise DecodeError("the envelope is cut off")
    # Most have fewer brackets in all.
    if line.count(b"{") + line.count(b"[") > NESTING:
        _check_nesting(data)
    return _read(data, rest)


def _open(form: str, encoded: str, keys: Keys) -> bytes:
    body = binascii.a2b_base64(encoded, strict_mode=True)
    if form == PLAIN:
        return body  # also when there are keys: it may have been queued before they came
    if form != SEALED:
        raise DecodeError("unknown form of envelope")
    if keys.cipher is None:
        raise DecodeError("no encryption key opens it")
    return keys.cipher.decrypt(body, PURPOSE)


def _split(text: str) -> list[str]:
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise DecodeError("not an envelope")
    return parts


def _read(data: object, rest: bytes) -> Envelope:
    fields = Fields(data, "envelope")
    message = fields.take("message", dict)
    blobs = typed(message.get("blobs", []), list, "envelope: blobs")
    if blobs or rest:
        message["blobs"] = _cut(rest, blobs)
    recipients = fields.take("recipients", list, None)
    if recipients is not None and not all(type(item) is str for item in recipients):
        raise DecodeError("envelope: recipients: expected texts")
    attempts = fields.take("attempts", int, 0)
    identifier = fields.take("id", str)
    if not 0 <= attempts <= MOST_ATTEMPTS or not IDENTIFIER.fullmatch(identifier):
        raise DecodeError("envelope: 'attempts' or 'id' is out of range")
    traceparent = fields.take("traceparent", str, None)
    if traceparent is not None and not TRACEPARENT.fullmatch(traceparent):
        raise DecodeError("envelope: 'traceparent': expected one of version 00")
    envelope = Envelope(
        id=identifier,
        mailer=fields.take("mailer", str),
        queued_at=_seconds(fields, "queued_at"),
        message=message,
        recipients=None if recipients is None else tuple(recipients),
        attempts=attempts,
        resent=fields.take("resent", bool, False),
        due_at=_seconds(fields, "due_at") if "due_at" in fields else None,
        expires_at=_seconds(fields, "expires_at") if "expires_at" in fields else None,
        traceparent=traceparent,
    )
    fields.end()
    return envelope


def _cut(rest: bytes, lengths: list[Any]) -> list[bytes]:
    blobs = []
    start = 0
    for length in lengths:
        if typed(length, int, "envelope: blobs") < 0:
            raise DecodeError("envelope: blobs: a negative length")
        blobs.append(rest[start : start + length])
        start += length
    if start != len(rest):
        raise DecodeError("envelope: blobs: not as long as they say")
    return blobs


def _seconds(fields: Fields, name: str) -> float:
    value = fields.any(name)
    if type(value) not in (int, float) or not 0 <= value <= LATEST:
        raise DecodeError(f"envelope: '{name}': expected seconds")
    return float(value)


def _check_nesting(data: object) -> None:
    """Refuse what is nested deeper than any message: whoever walks it may do so by recursion."""
    level = [data]
    for _ in range(NESTING):
        inner = (each.values() if type(each) is dict else each for each in level)
        level = [item for items in inner for item in items if type(item) in (dict, list)]  # type: ignore[attr-defined]
        if not level:
            return
    raise DecodeError("the envelope is nested too deeply")


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("expected a number, got one without an end")
    return value


_to_json = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_from_json = json.JSONDecoder(parse_float=_number, parse_constant=_number).decode
