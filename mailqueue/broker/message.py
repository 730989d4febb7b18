"""The message of a mail task: Celery's protocol 2, built whole and read here alone.

What a project sets for its own tasks (routes, compression, protocol, limits of time) must have no
say in it: each of them has lost mail, or sent it twice.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kombu.transport.native_delayed_delivery import MAX_NUMBER_OF_BITS_TO_USE

TASK = "mailqueue.deliver"
JSON = "application/json"
ENCODING = "utf-8"

# Seconds. A project's time limit would kill a worker in the middle of a batch, and what was
# delivered of it would be delivered again, for ever. Every step of a delivery has a timeout of its
# own; a message cannot switch a worker's limit off, so it names one that no task can reach.
NO_LIMIT = 7 * 86400

# Celery shows these two to whoever may look at its workers and their log.
HIDDEN = "('…',)"
NOTHING = "{}"

EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

# The body of two texts, without them.
BEGIN, BETWEEN, END = (
    json.dumps([[json.dumps(["?", "?"])], {}, EMBEDDED]).encode(ENCODING).split(b"?")
)
UNESCAPED = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))

DELAYED = re.compile(rf"(?:[01]\.){{{MAX_NUMBER_OF_BITS_TO_USE}}}")


def argument_for(texts: Sequence[str]) -> str:
    """Return the argument that stands for packed envelopes, a JSON list of texts."""
    return json.dumps(list(texts))


def body_of(argument: str) -> bytes:
    """Return the body of the task with this one argument."""
    return json.dumps([[argument], {}, EMBEDDED]).encode()


def body_for(texts: Sequence[str]) -> bytes:
    """Return the body of the task with the argument that stands for packed envelopes.

    It may have a megabyte, and to copy that is most of what a list takes here. So texts in which
    JSON escapes nothing, as envelopes are, are put together at once.
    """
    parts = [text.encode(ENCODING, "surrogatepass") for text in texts]
    if not parts or any(part.translate(None, UNESCAPED) for part in parts):
        return body_of(argument_for(texts))
    parts[0] = BEGIN + parts[0]
    parts[-1] += END
    return BETWEEN.join(parts)


def headers_of(id: str, *, origin: str, eta: str | None = None) -> dict[str, Any]:  # noqa: A002 (Celery's name)
    """Return the headers of the task; `eta` is a time in ISO 8601."""
    return {
        "lang": "py",
        "task": TASK,
        "id": id,
        "root_id": id,
        "parent_id": None,
        "group": None,
        "group_index": None,
        "shadow": None,
        "eta": eta,
        "expires": None,
        "retries": 0,
        "timelimit": [NO_LIMIT, NO_LIMIT],
        "argsrepr": HIDDEN,
        "kwargsrepr": NOTHING,
        "origin": origin,
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def ring_of(queue: str) -> str:
    """Return the argument that says: mail which is kept is due on this queue."""
    return json.dumps({"ring": queue})


def queue_of_ring(argument: str) -> str | None:
    """Return the queue that a ring names; None for an argument that is no ring."""
    if not argument.startswith("{"):
        return None
    try:
        match json.loads(argument):
            case {"ring": str(queue)}:
                return queue
    except (ValueError, RecursionError):
        pass
    return None


def argument_of(body: object, *, longest: int) -> str:
    """Return the argument that a body holds, whoever wrote it; ValueError says what it is not.

    `longest` is a length in bytes: what is longer is not even parsed.
    """
    if not isinstance(body, str | bytes | bytearray | memoryview) or len(body) > longest:
        raise ValueError("not the body of a task")
    try:
        # json would guess UTF-16 and UTF-32 from bytes.
        text = body if isinstance(body, str) else bytes(body).decode(ENCODING)
        args, kwargs, _embedded = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("not the body of a task") from None
    if kwargs != {} or not isinstance(args, list) or [type(arg) for arg in args] != [str]:
        raise ValueError("not the argument of mail")
    argument = str(args[0])
    if not argument.isascii():
        # Envelopes are ASCII, JSON with escapes; and a lone surrogate cannot even be encoded.
        raise ValueError("not the argument of mail")
    return argument


def eta_of(eta: object, *, now: float, longest: float) -> str | None:
    """Return a time at which a worker may start a task; None (now) for one that cannot be ours.

    Ours are aware, and within `longest` seconds. Mail knows by itself when it is due: what starts
    too early is published again.
    """
    if not isinstance(eta, str) or len(eta) > 40:
        return None
    try:
        due = datetime.fromisoformat(eta)
        ahead = due.timestamp() - now
    except (ValueError, OverflowError, OSError):
        return None
    if due.tzinfo is None or not 0 < ahead <= longest:
        return None
    return due.astimezone(UTC).isoformat()


def queue_in(key: str) -> str:
    """Return the name of the queue that a routing key leads to, without the delay before it."""
    return DELAYED.sub("", key, count=1) if DELAYED.match(key) else key
