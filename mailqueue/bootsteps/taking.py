"""Takes together what waits on a list in Redis, as far as a worker may have it.

kombu asks Redis three times for each message: to take it, to note that this worker has it, and at
its end. Here the note of one message takes those behind it along, and notes them in the same
moment; and those that end together end by one command.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from kombu.transport.redis import QoS
from kombu.transport.virtual import QoS as InHand

from mailqueue.bootsteps.sound import RAW, is_base64, payload
from mailqueue.broker.lists import lua_pattern
from mailqueue.broker.message import JSON, TASK

# What a note is cut at; no name of a queue has it.
BODY, TAG = uuid.uuid4().hex, uuid.uuid4().hex

LARGE = 2**16  # bytes; what has more, as a batch may, comes alone
ROOM = 2**20  # bytes that come together

# Notes a message, and takes those behind it that `broker.lists` wrote and nobody has had yet; of
# anything else Redis must not judge. Each has a tag, and a note made around its body. Asked again,
# since its answer was late or lost, it takes nothing more, and answers the same.
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
        # Not on the connection that kombu waits on for messages, which may have been cut just now.
        self.script = channel._create_client().register_script(SCRIPT)
        self.pattern = lua_pattern()

    def take(self, message: Any, text: bytes, key: str, most: int) -> list[Any]:
        """Note that this worker has a message; return up to `most` that were behind it, noted.

        `text` is the message as kombu read it, and `key` that of their list. Raises what Redis
        raises.
        """
        queue, priority = message.delivery_info["routing_key"], message.properties["priority"]
        like = {"queue": queue, "headers": {"task": TASK}, "priority": priority}
        tags = [str(uuid.uuid4()) for _ in range(most)]
        qos, another = self.channel.qos, json.dumps(payload(BODY, tag=TAG, **like))
        before, between, after = re.split(f"{BODY}|{TAG}", note_of(another, queue))
        bodies = self.ask(
            keys=[key, qos.unacked_index_key, qos.unacked_key],
            args=[
                *(time.time(), self.pattern, before, between, after),
                *(message.delivery_tag, note_of(text.decode(), queue), *tags),
            ],
        )
        made = (
            payload(**readable(body), tag=tag, **like)
            for tag, body in zip(tags, bodies, strict=False)
        )
        return [self.channel.Message(each, channel=self.channel) for each in made]

    def ask(self, **given: Any) -> Any:
        """Run the script, and once more if the connection broke: it is out of its list already."""
        try:
            return self.script(**given)
        except self.channel.connection_errors:
            return self.script(**given)


def note_of(message: str, queue: str) -> str:
    """Return what kombu notes of a message in JSON."""
    return f'[{message}, "", {json.dumps(queue)}]'


def readable(body: bytes) -> dict[str, Any]:
    """Return a body in base64, and its kind; what is no base64 is a body itself."""
    if is_base64(body):
        return {"body": body.decode(), "kind": JSON}
    return {"body": base64.b64encode(body).decode(), "kind": RAW}


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
