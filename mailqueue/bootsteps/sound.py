"""A message on a list in Redis as one that kombu can read, whatever it was.

kombu believes what it reads: a list that holds no JSON ends the worker, and then the next one. What
a message was worth is for `mailqueue.bootsteps.screen` to say.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

from mailqueue.broker.message import ENCODING, JSON

# The type of what is no message of a Celery task; the screen sets it aside.
RAW = "application/octet-stream"


def sound(item: bytes, queue: str) -> bytes:
    """Return what kombu can read, whatever lay on the list of `queue`.

    A message that is none becomes the body of one.
    """
    try:
        body, headers, properties, claimed = parts(item)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        body, headers, properties, kind = item, {}, {}, RAW
    else:
        plain = claimed == (JSON, ENCODING) and "compression" not in headers
        kind = JSON if plain else RAW
    delivery = properties.get("delivery_info")
    priority = properties.get("priority")
    message = payload(
        base64.b64encode(body).decode(),
        kind=kind,
        headers={name: headers[name] for name in ("task", "eta") if type(headers.get(name)) is str},
        queue=queue,
        redelivered=isinstance(delivery, dict) and delivery.get("redelivered") is True,
        priority=priority if type(priority) is int and 0 <= priority <= 9 else 0,
    )
    return json.dumps(message).encode()


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
    """Return body, headers, properties, type and encoding of what shall be kombu's message."""
    message = json.loads(item.decode())
    body, headers, properties = message["body"], message["headers"], message["properties"]
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        raise TypeError
    encoded = properties.get("body_encoding") == "base64"
    data = base64.b64decode(body, validate=True) if encoded else body.encode()
    return data, headers, properties, (message.get("content-type"), message.get("content-encoding"))
