"""Values that JSON has no word for, as tagged objects: ``{"date": "2026-01-31"}``. Pure.

A small fixed set. A tag is a word of this module, never the name of a class to import.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from email.headerregistry import Address, Group
from typing import Any

from django.utils.functional import Promise

from mailqueue.errors import DecodeError, EncodeError
from mailqueue.wire.fields import pair_of, typed

DEPTH = 50


def encode_value(value: Any, where: str, depth: int = 0) -> Any:
    """Return the value as JSON data; raise `EncodeError` for a type that is not in the set."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if depth > DEPTH:
        raise EncodeError(f"{where}: nested deeper than {DEPTH}")
    if isinstance(value, (str, Promise)):  # str(): in the language that is active here
        return str(value)
    if isinstance(value, int):
        # JSON numbers of other readers end at 2**53.
        return int(value) if abs(value) < 2**53 else {"int": str(int(value))}
    if isinstance(value, dict):
        return {"dict": [_pair(item, where, depth) for item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [encode_value(item, where, depth + 1) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    for base in kind.__mro__:
        if base in ENCODERS:
            tag, write = ENCODERS[base]
            return {tag: write(value)}
    raise EncodeError(f"{where}: a value of type {kind.__name__} cannot be queued")


def decode_value(data: object, where: str, depth: int = 0) -> Any:
    """Return the value that `encode_value` was given; raise `DecodeError` for anything else."""
    if data is None or type(data) in (str, bool, int):
        return data
    if depth > DEPTH:
        raise DecodeError(f"{where}: nested deeper than {DEPTH}")
    if isinstance(data, list):
        return [decode_value(item, where, depth + 1) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise DecodeError(f"{where}: expected a value or one tagged value")
    [(tag, content)] = data.items()
    if tag == "dict":
        return dict(_unpair(item, where, depth) for item in typed(content, list, where))
    if tag == "tuple":
        return tuple(decode_value(item, where, depth + 1) for item in typed(content, list, where))
    if tag not in DECODERS:
        raise DecodeError(f"{where}: unknown tag")
    try:
        return DECODERS[tag](content)
    except (ValueError, TypeError, InvalidOperation, OverflowError, binascii.Error):
        raise DecodeError(f"{where}: not a valid {tag}") from None


def _pair(item: tuple[object, object], where: str, depth: int) -> list[Any]:
    key, value = (encode_value(part, where, depth + 1) for part in item)
    if type(key) not in (str, int, bool, type(None)):
        raise EncodeError(f"{where}: a key of type {type(item[0]).__name__} cannot be queued")
    return [key, value]


def _unpair(item: object, where: str, depth: int) -> tuple[Any, Any]:
    key, value = pair_of(item, where)
    if type(key) not in (str, int, bool, type(None)):
        raise DecodeError(f"{where}: a key of this type")
    return key, decode_value(value, where, depth + 1)


def _write_address(address: Any) -> list[str]:
    return [address.display_name, address.username, address.domain]


def _write_group(group: Any) -> list[Any]:
    return [group.display_name, [_write_address(address) for address in group.addresses]]


def _read_address(content: Any) -> Address:
    display_name, username, domain = (typed(part, str, "address") for part in content)
    return Address(display_name, username, domain)


def _read_group(content: Any) -> Group:
    display_name, addresses = content
    if display_name is not None:
        typed(display_name, str, "group")
    return Group(display_name, tuple(_read_address(address) for address in addresses))


def _read_timedelta(content: Any) -> timedelta:
    days, seconds, microseconds = (typed(part, int, "timedelta") for part in content)
    return timedelta(days, seconds, microseconds)


ENCODERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    float: ("float", lambda value: repr(float(value))),  # repr() is exact, and knows nan and inf
    Decimal: ("decimal", str),
    datetime: ("datetime", lambda value: value.isoformat()),
    date: ("date", lambda value: value.isoformat()),
    time: ("time", lambda value: value.isoformat()),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode("ascii")),
    Address: ("address", _write_address),
    Group: ("group", _write_group),
}

DECODERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(typed(content, str, "int")),
    "float": lambda content: float(typed(content, str, "float")),
    "decimal": lambda content: Decimal(typed(content, str, "decimal")),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": _read_timedelta,
    "bytes": lambda content: base64.b64decode(typed(content, str, "bytes"), validate=True),
    "address": _read_address,
    "group": _read_group,
}
