"""The dead letters of all mail queues on the broker."""

import json
from collections.abc import Iterator
from typing import Any

from mailqueue.broker.dead import DeadLetter, each
from mailqueue.broker.publish import publisher
from mailqueue.errors import DecodeError
from mailqueue.lanes import queue_names
from mailqueue.options import QueueOptions
from mailqueue.wire.envelope import Envelope, unpack
from mailqueue.wire.signature import worker_keys


def letters() -> Iterator[tuple[Any, DeadLetter]]:
    """Yield each as `broker.dead.each` does; what came by no queue is on the default one."""
    for queue in sorted({*queue_names(), QueueOptions.DEFAULT_QUEUE}):
        yield from each(publisher(), queue)


def opened(letter: DeadLetter) -> list[Envelope]:
    """Return the envelopes of a dead letter, one or a whole batch; none if they cannot be read."""
    if letter.encoding != "text":
        return []
    try:
        return [unpack(text, worker_keys()) for text in texts_of(letter.content)]
    except DecodeError:
        return []


def texts_of(content: str) -> list[str]:
    try:
        texts = json.loads(content)
    except (ValueError, RecursionError):
        return [content]
    valid = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    return texts if valid else [content]
