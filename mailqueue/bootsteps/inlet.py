"""What lies on a mail queue, before kombu makes a message of it.

kombu believes what it reads: a list in Redis that holds no JSON, headers that are no mapping, or a
small body that unpacks to gigabytes ends the worker, and then the next one. Here a message becomes
one that kombu can read; what it was worth is for `mailqueue.bootsteps.screen` to say.
"""

import base64
import json
import uuid
from collections.abc import Callable, Container
from struct import error
from typing import Any

from amqp.exceptions import AMQPError
from amqp.serialization import decode_properties_basic
from kombu.transport.virtual import QoS
from redis.exceptions import ResponseError

from mailqueue.broker.message import ENCODING, JSON
from mailqueue.log import logger

# The type of what is no message of a Celery task; the screen sets it aside.
RAW = "application/octet-stream"

# AMQP 0-9-1: the types of frames, the method Basic.Deliver, where the properties begin in a header
# frame (2.3.5.2), and the flags of a message that has none.
METHOD, HEADER = 1, 2
DELIVER = bytes([0, 60, 0, 60])
PROPERTIES = 12
NO_PROPERTIES = bytes(2)

# RabbitMQ's own headers (x-death) have three levels.
DEEPEST = 10


def on_redis(channel: Any, names: Container[str]) -> None:
    """Let kombu's Redis channel see only sound messages of the mail queues."""
    parse = channel.client.parse_response

    def parse_response(connection: Any, command_name: str, **options: Any) -> Any:
        found = parse(connection, command_name, **options)
        if command_name == "BRPOP" and found:
            key, item = found
            queue = key.decode(errors="replace").rsplit(channel.sep, 1)[0]
            if queue in names:
                return key, sound(item, queue)
        return found

    keep = channel.qos.append

    def append(message: Any, delivery_tag: str) -> None:
        try:
            keep(message, delivery_tag)
        except ResponseError as error:
            if message.delivery_info["routing_key"] not in names:
                raise
            # It is out of its list already, so this worker is the last that has it.
            QoS.append(channel.qos, message, delivery_tag)
            logger.error(
                "Redis did not note a message that this worker took: %s. It is lost if the worker "
                "ends before it is delivered.",
                type(error).__name__,
            )

    channel.client.parse_response = parse_response
    channel.qos.append = append


def on_rabbitmq(channel: Any, queue_of: Callable[[Any], str | None]) -> None:
    """Let kombu unpack no compressed message of the mail queues, nor read what it cannot read."""
    make = channel.message_to_python
    read = channel.connection.on_inbound_frame
    # Of each channel: whether the message that is coming in is one of a mail queue's.
    ours: dict[int, bool] = {}

    def message_to_python(raw: Any) -> Any:
        headers = raw.properties.get("application_headers") or {}
        if "compression" in headers and queue_of(raw.delivery_info):
            kept = {name: value for name, value in headers.items() if name != "compression"}
            raw.properties |= {"application_headers": kept, "content_type": RAW}
        return make(raw)

    def on_inbound_frame(frame: tuple[int, int, bytes]) -> Any:
        kind, number, data = frame
        if kind == METHOD and data[:4] == DELIVER:
            tag = bytes(data[5 : 5 + data[4]]).decode(errors="replace")
            ours[number] = queue_of({"consumer_tag": tag}) is not None
        elif kind == HEADER and ours.pop(number, False) and not readable(data):
            data = bytes(data[:PROPERTIES]) + NO_PROPERTIES
        return read((kind, number, data))

    channel.message_to_python = message_to_python
    channel.connection.on_inbound_frame = on_inbound_frame


def readable(data: bytes) -> bool:
    """Tell whether py-amqp can read what a header frame announces; its errors end a worker.

    It also decodes the body, by whichever codec is named, and some take hours.
    """
    try:
        properties, _ = decode_properties_basic(data, PROPERTIES)
    except (ArithmeticError, AMQPError, LookupError, ValueError, RecursionError, OSError, error):
        return False
    return properties.get("content_encoding") == ENCODING and is_flat(properties, DEEPEST)


def is_flat(value: object, depth: int) -> bool:
    """Tell whether mappings and lists are nested no deeper than `depth`."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return depth > 0 and all(is_flat(each, depth - 1) for each in value)


def sound(item: bytes, queue: str) -> bytes:
    """Return what kombu can read, whatever lay on the list of `queue`.

    The tag is new: by it kombu keeps what a worker has in hand, and one that is used twice costs
    another mail its copy. A message that is none becomes the body of one.
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
    message = {
        "body": base64.b64encode(body).decode(),
        "content-type": kind,
        "content-encoding": "utf-8",
        "headers": {
            name: headers[name] for name in ("task", "eta") if isinstance(headers.get(name), str)
        },
        "properties": {
            "body_encoding": "base64",
            "delivery_mode": 2,
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {
                "exchange": "",
                "routing_key": queue,
                "redelivered": isinstance(delivery, dict) and delivery.get("redelivered") is True,
            },
            "priority": priority if type(priority) is int and 0 <= priority <= 9 else 0,
        },
    }
    return json.dumps(message).encode()


def parts(item: bytes) -> tuple[bytes, dict[str, Any], dict[str, Any], tuple[object, object]]:
    """Return body, headers, properties, type and encoding of what shall be kombu's message."""
    message = json.loads(item.decode())
    body, headers, properties = message["body"], message["headers"], message["properties"]
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        raise TypeError
    encoded = properties.get("body_encoding") == "base64"
    data = base64.b64decode(body, validate=True) if encoded else body.encode()
    return data, headers, properties, (message.get("content-type"), message.get("content-encoding"))
