"""Attributes that a package sets on messages for its own backend, carried by name.

Anymail's are carried whenever it is installed: https://anymail.dev/en/stable/sending/anymail_additions/
"""

import functools
import importlib.util
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.core.mail import EmailMultiAlternatives

from mailqueue.codec.values import decode_value, encode_value
from mailqueue.errors import DecodeError
from mailqueue.expectations import unexpected

ANYMAIL = (
    *("envelope_sender", "esp_extra", "metadata", "tags", "send_at", "template_id"),
    *("track_clicks", "track_opens"),
    *("merge_data", "merge_global_data", "merge_headers", "merge_metadata"),
)


class UnknownAttribute(DecodeError):  # noqa: N818 (named after what is wrong)
    """The message carries an extra attribute that is not among the names here."""


@functools.cache
def default_attributes() -> tuple[str, ...]:
    """Return the names to carry when a mailer names none."""
    return ANYMAIL if importlib.util.find_spec("anymail") else ()


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names; raise ValueError for one that is a message's own."""
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or _is_taken(_blank(), name):
            raise unexpected("extra_attributes", name, "names that no message has already")
    return tuple(names)


def encode_attributes(message: Any, names: Iterable[str], where: str) -> dict[str, Any]:
    """Return those of the attributes that the message has; `EncodeError` names a bad one."""
    unset = _unset()
    found = ((name, getattr(message, name, unset)) for name in names)
    return {
        name: encode_value(value, f"{where}: {name}") for name, value in found if value is not unset
    }


def set_attributes(
    message: Any, data: Mapping[str, Any], names: Collection[str], where: str
) -> None:
    """Set the attributes that were carried; never one that the message has already.

    Raises `UnknownAttribute` for one that is not among the names.
    """
    for name in data:
        if not name.isidentifier() or _is_taken(message, name):
            raise DecodeError(f"{where}: not the name of an extra attribute")
    if not data.keys() <= set(names):
        raise UnknownAttribute(f"{where}: not among the names of extra attributes")
    for name, value in data.items():
        setattr(message, name, decode_value(value, f"{where}: {name}"))


def _is_taken(message: Any, name: str) -> bool:
    return name.startswith("_") or name == "connection" or hasattr(message, name)


@functools.cache
def _blank() -> EmailMultiAlternatives:
    return EmailMultiAlternatives(from_email="-")


def _unset() -> Any:
    """Return what stands for "not set": anymail's own word for it once that is in use."""
    return getattr(sys.modules.get("anymail.utils"), "UNSET", _unset)
