"""What lies on a mail queue of RabbitMQ, before kombu makes a message of it.

kombu believes what it reads: headers that are no mapping, or a small body that unpacks to gigabytes
end the worker, and then the next one. Here a message becomes one that kombu can read; what it was
worth is for `mailqueue.bootsteps.screen` to say.
"""

from collections.abc import Callable
from struct import error
from typing import Any

from amqp.exceptions import AMQPError
from amqp.serialization import decode_properties_basic

from mailqueue.bootsteps.sound import RAW
from mailqueue.broker.message import ENCODING

# AMQP 0-9-1: the types of frames, the method Basic.Deliver, where the properties begin in a header
# frame (2.3.5.2), and the flags of a message that has none.
METHOD, HEADER = 1, 2
DELIVER = bytes([0, 60, 0, 60])
PROPERTIES = 12
NO_PROPERTIES = bytes(2)

# RabbitMQ's own headers (x-death) have three levels.
DEEPEST = 10


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
