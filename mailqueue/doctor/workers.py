"""The workers: who consumes a queue, and does each agree with this process about its mail?"""

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mailqueue.agreement import facts, opens, place
from mailqueue.broker.looking import mail_standing
from mailqueue.broker.publish import publisher
from mailqueue.broker.support import is_redis
from mailqueue.broker.workers import LATE, consumers, states
from mailqueue.delivery.times import longest_of, visibility_fault
from mailqueue.doctor import pickup
from mailqueue.doctor.finding import Finding
from mailqueue.doctor.ledgers import APART
from mailqueue.lanes import Lane

BUSY = 900.0  # seconds for a task whose target does not tell how long it takes
KEYS = {
    "signing": (
        "keys-differ",
        "it cannot open mail that is signed {}: it has another SECRET_KEY",
        "Give all processes one SECRET_KEY, or the old one in SECRET_KEY_FALLBACKS.",
    ),
    "encryption": (
        "encryption-keys-differ",
        "it cannot open mail that is encrypted {}: it lacks that key",
        "Give all processes the same 'encryption_keys', the newest first.",
    ),
}


def look(lanes: Sequence[Lane], *, probe: bool) -> Iterator[Finding]:
    """Yield what is wrong with the workers for the mail of these lanes.

    With ``probe`` it publishes a task without mail on each queue that has workers. Raises
    `PublishError`.
    """
    queues = sorted({lane.options.queue for lane in lanes})
    answered = consumers(publisher(), queues)
    for queue in queues:
        if not any(queue in consumed for _, consumed in answered):
            yield missing(queue)
    ours = {node: consumed for node, consumed in answered if consumed & set(queues)}
    nodes = [node for node, _ in answered if node in ours]
    yield from doubles(Counter(nodes))
    challenge = secrets.token_hex(16)
    asked_at = time.time()
    told = states(publisher(), challenge, nodes)
    answered_at = time.time()
    here = facts(challenge, lanes)
    yield from map(too_old, sorted(ours.keys() - told.keys()))
    for node, state in sorted(told.items()):
        mine = [lane for lane in lanes if lane.options.queue in ours[node]]
        yield from differences(node, state, here, mine)
        yield from clock(node, state, asked_at, answered_at)
        yield from keys(node, state, {"here": here, **told})
    for queue in queues if probe else ():
        if taking := {node: state for node, state in told.items() if queue in ours[node]}:
            yield from pickup.look(queue, taking)


def missing(queue: str) -> Finding:
    """Return that nobody consumes a queue; of RabbitMQ it is known if somebody silent does."""
    about = f"queue {queue!r}"
    number = 0 if is_redis() else mail_standing(publisher(), queue).consumers
    if number:
        return Finding(
            id="worker-silent",
            about=about,
            problem=f"it has consumers ({number}), and none answers within {LATE:.0f} s",
            cure="Leave worker_enable_remote_control on, and look whether they hang.",
        )
    return Finding(
        id="no-worker",
        about=about,
        problem="no worker that answers consumes it",
        cure="Start one, with -Q and this queue; worker_enable_remote_control lets it answer.",
    )


def doubles(nodes: Counter[str]) -> Iterator[Finding]:
    for node, number in sorted(nodes.items()):
        if number > 1:
            yield Finding(
                id="node-names-equal",
                about=f"worker {node!r}",
                problem=f"{number} workers have this name: what is asked of one, any may answer",
                cure="Give each a name of its own: celery worker -n mail1@%h.",
            )


def too_old(node: str) -> Finding:
    return Finding(
        id="worker-too-old",
        about=f"worker {node!r}",
        problem="it consumes mail, and does not know what the doctor asks",
        cure="Restart it with the mailqueue that is here, and with its tasks.",
    )


def differences(
    node: str, state: Mapping[str, Any], here: Mapping[str, Any], lanes: Sequence[Lane]
) -> Iterator[Finding]:
    """Yield where a worker's settings differ for the lanes whose queues it consumes."""
    about = f"worker {node!r}"
    if state["version"] != here["version"]:
        yield Finding(
            id="worker-version",
            about=about,
            problem=f"it has mailqueue {state['version']!r}, here is {here['version']!r}",
            cure="Update and restart the workers first, then what sends.",
        )
    for lane in lanes:
        if unlike := difference(lane, state["mailers"].get(lane.mailer)):
            name, problem = unlike
            cure = "Give it MAILERS as here, and restart it."
            yield Finding(id=name, about=about, problem=problem, cure=cure)
    if state["changed"]:
        yield Finding(
            id="worker-task-changed",
            about=about,
            problem=f"its task of mail has another {', '.join(state['changed'])}",
            cure="Let task_annotations not match 'mailqueue.deliver'.",
        )
    yield from visibility(about, state, lanes)
    if state["busy"] is not None and state["busy"] > max(map(longest_task, lanes)):
        yield Finding(
            id="worker-hangs",
            about=about,
            problem=f"it has been at work on one task of mail for {state['busy']:.0f} s",
            cure="Kill and restart it: what it has in hand goes to another one.",
        )


def longest_task(lane: Lane) -> float:
    """Return the seconds that a task of a lane can take, as far as its target tells."""
    return max(BUSY, lane.options.batch_size * longest_of(lane))


def difference(lane: Lane, there: Mapping[str, str] | None) -> tuple[str, str] | None:
    """Return how the mailer of a lane differs in a worker: the finding, and what is wrong."""
    alias, here = lane.mailer, place(lane)
    if there is None:
        return "worker-lacks-mailer", f"it has no queue mailer {alias!r}, so such mail waits"
    if there["queue"] != here["queue"]:
        return "worker-other-queue", f"its mailer {alias!r} has the queue {there['queue']!r}"
    if there["kept"] != here["kept"]:
        problem = f"its mailer {alias!r} does not leave mail with the {here['kept']}, as here"
        return "worker-other-level", problem
    return None


def visibility(about: str, state: Mapping[str, Any], lanes: Sequence[Lane]) -> Iterator[Finding]:
    seconds = state["visibility_timeout"]
    if seconds is None:  # not on Redis
        return
    if faults := [fault for lane in lanes if (fault := visibility_fault(lane, seconds))]:
        yield Finding(
            id="worker-visibility",
            about=about,
            problem=f"{faults[0]}, in this worker",
            cure="Write a longer one in its broker_transport_options: mail would go out twice.",
        )


def clock(
    node: str, state: Mapping[str, Any], asked_at: float, answered_at: float
) -> Iterator[Finding]:
    """Find a clock that shows a time outside of those at which it was asked and answered."""
    off = max(asked_at - state["time"], state["time"] - answered_at)
    if off > APART:
        yield Finding(
            id="worker-clock",
            about=f"worker {node!r}",
            problem=f"its clock differs from the one here by {off:.0f} s",
            cure="Let all machines ask a time server (NTP): mail is tried, and expires, by clocks.",
        )


def keys(
    node: str, state: Mapping[str, Any], packers: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield whose mail a worker cannot open: what is sent here, and what other workers retry."""
    for kind, (name, problem, cure) in KEYS.items():
        unknown = [each for each, packer in packers.items() if not opens(state, packer, kind)]
        if unknown:
            by = "here" if unknown[0] == "here" else f"by worker {unknown[0]!r}"
            yield Finding(id=name, about=f"worker {node!r}", problem=problem.format(by), cure=cure)
