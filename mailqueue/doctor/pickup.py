"""A task without mail on a queue, and who takes it.

It is an empty batch, which does nothing in a worker of any version, and is gone when it is taken.
It is published only where a worker consumes the queue, and not beside many that wait.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mailqueue.broker.bell import SOME
from mailqueue.broker.publish import publish, publisher
from mailqueue.broker.workers import states
from mailqueue.doctor.finding import Finding
from mailqueue.errors import PublishError

PATIENCE = 10.0  # seconds for a worker that has time
PAUSE = 0.2


def look(queue: str, before: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with the way from here through a queue to its workers.

    `before` is what those say of themselves that consume it.
    """
    try:
        waiting = publisher().waiting(queue)
        if waiting < SOME:
            publish([], queue=queue)
        taken = is_taken(queue, before)
    except PublishError:
        yield Finding(
            id="broker-refuses",
            about=f"queue {queue!r}",
            problem="the broker did not take, or did not confirm, a task for this queue",
            cure="Look into the broker's log: memory and disk alarms, rights, the kind of queue.",
            unasked=True,
        )
        return
    if not taken:
        yield Finding(
            id="not-picked-up",
            about=f"queue {queue!r}",
            problem=f"no worker took a task from it within {PATIENCE:.0f} s, and {waiting} wait",
            cure="Restart its workers: they are connected, have nothing to do, and do nothing.",
        )


def is_taken(queue: str, before: Mapping[str, Mapping[str, Any]]) -> bool:
    """Wait until the queue is empty, or a worker has taken something; or all are at work on mail.

    Of one that is at work for too long the look at the workers tells.
    """
    end = time.monotonic() + PATIENCE
    while publisher().waiting(queue):
        after = states(publisher(), secrets.token_hex(16), list(before))
        if any(count(state, queue) > count(before[node], queue) for node, state in after.items()):
            return True
        if time.monotonic() > end:
            return bool(after) and all(state["busy"] is not None for state in after.values())
        time.sleep(PAUSE)
    return True


def count(state: Mapping[str, Any], queue: str) -> int:
    return int(state["taken"].get(queue, 0))
