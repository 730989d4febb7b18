"""A message on a list in Redis as one that kombu can read, whatever it was.

kombu believes what it reads: a list that holds no JSON ends the worker, and then the next one. What
a message was worth is for `mailqueue.bootsteps.screen` to say.
"""

import base64
import json
import string
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mailqueue.broker.message import ENCODING, JSON

# The type of what is no message of a Celery task; the screen sets it aside.
RAW = "application/octet-stream"

BEGIN = b'{"body": "'
BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/"


def sound(item: bytes, queue: str) -> bytes:
    """Return what kombu can read, whatever lay on the list of `queue`.

    A message that is none becomes the body of one.
    """
    try:
        body, headers, properties, claimed = parts(item)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        body, headers, properties, kind = base64.b64encode(item), {}, {}, RAW
    else:
        plain = claimed == (JSON, ENCODING) and "compression" not in headers
        kind = JSON if plain else RAW
    delivery = properties.get("delivery_info")
    priority = properties.get("priority")
    around = payload(
        "",
        kind=kind,
        headers={name: headers[name] for name in ("task", "eta") if type(headers.get(name)) is str},
        queue=queue,
        redelivered=isinstance(delivery, dict) and delivery.get("redelivered") is True,
        priority=priority if type(priority) is int and 0 <= priority <= 9 else 0,
    )
    return BEGIN + body + json.dumps(around).encode().removeprefix(BEGIN)


def payload(
    body: str,
    *,
    queue: str,
    headers: Mapping[str, str],
    priority: int,
    kind: str = JSON,
    redelivered: bool = False,
    tag: str = "",
) -> dict[str, Any]:
    """Return kombu's own form of a message with this body, in base64.

    The tag is a new one, unless it is given: by it kombu keeps what a worker has in hand, and one
    that is used twice costs another mail its copy.
    """
    return {
        "body": body,
        "content-type": kind,
        "content-encoding": ENCODING,
        "headers": dict(headers),
        "properties": {
            "body_encoding": "base64",
            "delivery_mode": 2,
            "delivery_tag": tag or str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue, "redelivered": redelivered},
            "priority": priority,
        },
    }


def parts(item: bytes) -> tuple[bytes, dict[str, Any], dict[str, Any], tuple[object, object]]:
    """Return body in base64, headers, properties, and type and encoding, of what may be kombu's."""
    body, message = parted(item)
    headers, properties = message["headers"], message["properties"]
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        raise TypeError
    body = body.encode()
    if properties.get("body_encoding") != "base64":
        body = base64.b64encode(body)
    elif not is_base64(body):
        raise ValueError
    return body, headers, properties, (message.get("content-type"), message.get("content-encoding"))


def is_base64(body: bytes) -> bool:
    """Tell whether this can be decoded, and nothing in it would be passed over."""
    letters = body.rstrip(b"=")
    return (
        len(body) % 4 == 0 and len(body) - len(letters) <= 2 and not letters.translate(None, BASE64)
    )


def parted(item: bytes) -> tuple[Any, Any]:
    """Return the body, and the message that has the rest.

    To read a long body as JSON takes longer than all else; most often it comes first, in base64.
    """
    end = item.find(b'"', len(BEGIN))
    body = item[len(BEGIN) : end]
    if item.startswith(BEGIN) and item.startswith(b'", ', end) and b"\\" not in body:
        with suppress(ValueError):
            message = json.loads((b"{" + item[end + len(b'", ') :]).decode())
            if "body" not in message:
                return body.decode(), message
    message = json.loads(item.decode())
    return message["body"], message
