"""MIME objects of Python's email package as data, header by header and part by part. Pure.

Not flattened and parsed again: that would fold headers anew and freeze boundaries. Nothing here
changes the object it reads.
"""

import email.message
import email.policy
import functools
import io
from collections.abc import Callable
from email.generator import BytesGenerator, Generator
from email.mime.base import MIMEBase
from email.policy import Compat32, EmailPolicy
from typing import Any

from mailqueue.codec.mime_headers import decode_header, decode_name, encode_header, encode_name
from mailqueue.errors import DecodeError, EncodeError
from mailqueue.wire.fields import Fields, pair_of

DEPTH = 50

# What a generator asks a message for; a class that overrides it renders itself.
READERS = {
    *("_write_headers", "as_bytes", "as_string", "raw_items", "items", "keys", "values", "get"),
    *("__getitem__", "get_payload", "is_multipart", "get_content_type", "get_default_type"),
    *("get_content_maintype", "get_content_subtype", "get_param", "get_params"),
    *("get_boundary", "set_boundary"),
}


class SafePart(MIMEBase):
    """A part whose `as_bytes()` takes ``linesep``, as Django 5.2's SMTP backend asks for."""

    def as_bytes(self, unixfrom: bool = False, linesep: str | None = None) -> bytes:  # type: ignore[override]
        """Return the part as bytes; lines that begin with "From " stay as they are."""
        file = io.BytesIO()
        BytesGenerator(file, mangle_from_=False).flatten(self, unixfrom=unixfrom, linesep=linesep)
        return file.getvalue()

    def as_string(self, unixfrom: bool = False, linesep: str | None = None) -> str:  # type: ignore[override]
        """Return the part as text; lines that begin with "From " stay as they are."""
        file = io.StringIO()
        Generator(file, mangle_from_=False).flatten(self, unixfrom=unixfrom, linesep=linesep)
        return file.getvalue()


def encode_part(
    part: email.message.Message, where: str, text: Callable[[str], Any], depth: int = 0
) -> dict[str, Any]:
    """Return a MIME object as data; ``text`` says how a payload travels.

    Raises `EncodeError` for what cannot be told in data.
    """
    if depth > DEPTH:
        raise EncodeError(f"{where}: parts nested deeper than {DEPTH}")
    if renders_itself(part):
        raise EncodeError(f"{where}: {type(part).__name__} overrides how it is rendered")
    data: dict[str, Any] = {
        "kind": _kind(part),
        "modern": _is_modern(part, where),
        "headers": [
            [encode_name(name, where), encode_header(name, value, where)]
            for name, value in part.raw_items()
        ],
        "payload": _encode_payload(part, where, text, depth),
    }
    for name in ("preamble", "epilogue"):
        if (value := getattr(part, name)) is not None:
            data[name] = str(value)
    if part.get_default_type() != "text/plain":
        data["default_type"] = part.get_default_type()
    return data


def decode_part(
    data: object, where: str, text: Callable[[Any, str], str], depth: int = 0
) -> email.message.Message:
    """Return the MIME object that `encode_part` was given."""
    if depth > DEPTH:
        raise DecodeError(f"{where}: parts nested deeper than {DEPTH}")
    fields = Fields(data, where)
    part = _build(fields.take("kind", str), fields.take("modern", bool), where)
    for pair in fields.take("headers", list):
        name, value = pair_of(pair, where)
        part.set_raw(decode_name(name, where), decode_header(name, value, where))
    payload = fields.any("payload")
    if type(payload) is list:
        part.set_payload([decode_part(item, where, text, depth + 1) for item in payload])
    elif payload is not None:
        part.set_payload(text(payload, where))
    part.preamble = fields.take("preamble", str, None)
    part.epilogue = fields.take("epilogue", str, None)
    if (default_type := fields.take("default_type", str, None)) is not None:
        part.set_default_type(default_type)
    fields.end()
    return part


def renders_itself(part: email.message.Message) -> bool:
    """Tell whether the class is neither Python's nor Django's and takes part in rendering."""
    cls: Any = type(part)
    return _renders_itself(cls)


@functools.lru_cache(maxsize=256)
def _renders_itself(cls: type) -> bool:
    strange = (
        base
        for base in cls.__mro__
        if not base.__module__.startswith(("email.", "django.core.mail", "mailqueue.codec"))
        and base is not object
    )
    return any(not READERS.isdisjoint(vars(base)) for base in strange)


def _kind(part: email.message.Message) -> str:
    if isinstance(part, email.message.EmailMessage):
        return "email"
    if isinstance(part, email.message.MIMEPart):
        return "part"
    if _is_safe(part):
        return "safe"
    return "base" if isinstance(part, MIMEBase) else "message"


def _build(kind: str, modern: bool, where: str) -> email.message.Message:
    policy: Any = email.policy.default if modern else email.policy.compat32
    if kind == "email":
        return email.message.EmailMessage(policy=policy)
    if kind == "part":
        return email.message.MIMEPart(policy=policy)
    if kind == "message":
        return email.message.Message(policy=policy)
    if kind not in ("safe", "base"):
        raise DecodeError(f"{where}: unknown kind of part")
    part = (SafePart if kind == "safe" else MIMEBase)("text", "plain", policy=policy)
    for name in part.keys():  # noqa: SIM118 (a message is no mapping)
        del part[name]
    return part


def _is_modern(part: email.message.Message, where: str) -> bool:
    if not isinstance(part.policy, (EmailPolicy, Compat32)):
        raise EncodeError(f"{where}: its policy is neither EmailPolicy nor Compat32")
    return isinstance(part.policy, EmailPolicy)


def _encode_payload(
    part: email.message.Message, where: str, text: Callable[[str], Any], depth: int
) -> Any:
    # Not get_payload(): that replaces the surrogates which stand for raw bytes.
    payload: Any = part._payload  # type: ignore[attr-defined]
    if payload is None:
        return None
    if isinstance(payload, list):
        return [encode_part(item, where, text, depth + 1) for item in payload]
    if not isinstance(payload, str):
        raise EncodeError(f"{where}: a payload of type {type(payload).__name__}")
    return text(str(payload))


def _is_safe(part: email.message.Message) -> bool:
    """Tell whether the part is one of Django's Safe classes, or ours."""
    return any(
        base is SafePart or (base.__name__ == "MIMEMixin" and base.__module__.startswith("django."))
        for base in type(part).__mro__
    )
