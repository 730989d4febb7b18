"""Takes together what waits on a list in Redis, as far as a worker may have it.

kombu asks Redis three times for each message: to take it, to note that this worker has it, and at
its end. Here the note of one message takes those behind it along, and notes them in the same
moment; and those that end together end by one command.
"""

import base64
import json
import time
from collections.abc import Sequence
from typing import Any

from kombu.transport.redis import QoS
from kombu.transport.virtual import QoS as InHand

from mailqueue.bootsteps.sound import RAW, payload
from mailqueue.broker.lists import lua_pattern
from mailqueue.broker.message import TASK

LARGE = 2**16  # bytes; what has more, as a batch may, comes alone
ROOM = 2**20  # bytes that come together

# Notes a message, and takes those behind it that `broker.lists` wrote and nobody has had yet; of
# anything else Redis must not judge. Each has a tag, and a note made around its body. Asked again,
# as redis-py may when an answer was late, it takes nothing more, and answers the same.
SCRIPT = """
local list, index, notes = unpack(KEYS)
local now, pattern, before, between, after = unpack(ARGV, 1, 5)
local again = redis.call('HEXISTS', notes, ARGV[6]) == 1

local function note(tag, content)
    redis.call('ZADD', index, now, tag)
    redis.call('HSET', notes, tag, content)
end

local function noted(tag)
    local content = redis.call('HGET', notes, tag)
    return content and string.sub(content, #before + 1, -#(between .. tag .. after) - 1)
end

local room = ROOM
local function taken(tag)
    local message = redis.call('LINDEX', list, -1)
    room = room - (message and #message or 0)
    local body = message and #message <= LARGE and room > 0 and string.match(message, pattern)
    if body then
        note(tag, before .. body .. between .. tag .. after)
        redis.call('RPOP', list)
    end
    return body
end

note(ARGV[6], ARGV[7])
local bodies = {}
for number = 8, #ARGV do
    local body = (again and noted or taken)(ARGV[number])
    if not body then
        break
    end
    bodies[#bodies + 1] = body
end
return bodies
""".replace("ROOM", str(ROOM)).replace("LARGE", str(LARGE))


class Taking:
    """What a worker takes from the lists in Redis, beside each message that kombu has taken."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.script = channel.client.register_script(SCRIPT)
        self.pattern = lua_pattern()

    def take(self, message: Any, key: str, most: int) -> list[Any]:
        """Note that this worker has a message; return up to `most` that were behind it, noted.

        `key` is that of their list. Raises what Redis raises.
        """
        qos, queue = self.channel.qos, message.delivery_info["routing_key"]
        like = {
            "headers": {"task": TASK},
            "queue": queue,
            "priority": message.properties["priority"],
        }
        made = [payload("BODY", **like) for _ in range(most)]
        tags = [each["properties"]["delivery_tag"] for each in made]
        note, another = (json.dumps([each, "", queue]) for each in (message._raw, made[0]))
        before, _, rest = another.partition("BODY")
        between, _, after = rest.partition(tags[0])
        bodies = self.script(
            keys=[key, qos.unacked_index_key, qos.unacked_key],
            args=[
                *(time.time(), self.pattern, before, between, after),
                *(message.delivery_tag, note, *tags),
            ],
        )
        return [
            self.channel.Message(readable(each, body), channel=self.channel)
            for each, body in zip(made, bodies, strict=False)
        ]


def readable(message: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return a message with its body; what is no base64 is a body itself."""
    try:
        base64.b64decode(body, validate=True)
    except ValueError:
        body, message["content-type"] = base64.b64encode(body), RAW
    message["body"] = body.decode()
    return message


def ack_together(messages: Sequence[Any]) -> None:
    """Tell the broker that these messages of a channel are at their end."""
    qos = getattr(messages[0].channel, "qos", None)
    if not isinstance(qos, QoS):
        for message in messages:
            message.ack()
        return
    tags = [message.delivery_tag for message in messages]
    with qos.pipe_or_acquire() as pipe:
        pipe.zrem(qos.unacked_index_key, *tags).hdel(qos.unacked_key, *tags).execute()
    for tag in tags:
        InHand.ack(qos, tag)
