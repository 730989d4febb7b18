"""Ask workers by Celery's remote control, which does not wait behind mail."""

from collections.abc import Sequence
from typing import Any

from mailqueue.broker.sender import Sender

STATE = "mailqueue_state"
TOLD = {"version", "time", "mailers", "signing", "encryption", "taken", "busy", "changed"} | {
    "visibility_timeout"
}

SOON, LATE = 1.0, 5.0  # seconds to wait for one more answer, and for the first one if need be


def consumers(sender: Sender, queues: Sequence[str]) -> list[tuple[str, set[str]]]:
    """Return node name and consumed queues of each worker that answers; `PublishError`.

    Whoever consumes one of the ``queues`` is waited for a little longer.
    """
    found: list[tuple[str, set[str]]] = []
    for seconds in (SOON, LATE):
        found = [
            (node, {str(each.get("name")) for each in answer if isinstance(each, dict)})
            for node, answer in ask(sender, "active_queues", timeout=seconds)
            if isinstance(answer, list)
        ]
        if set(queues) <= {queue for _, consumed in found for queue in consumed}:
            break
    return found


def states(sender: Sender, challenge: str, nodes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what workers say of themselves, of those alone that know how; `PublishError`."""
    answers = ask(sender, STATE, {"challenge": challenge}, nodes, timeout=LATE) if nodes else []
    return {
        node: answer
        for node, answer in answers
        if isinstance(answer, dict) and answer.keys() >= TOLD
    }


def ask(
    sender: Sender,
    command: str,
    arguments: dict[str, Any] | None = None,
    nodes: Sequence[str] = (),
    *,
    timeout: float,
) -> list[tuple[str, object]]:
    """Return node name and answer of each worker; `PublishError`.

    With ``nodes`` it ends when so many have answered, without when nobody does for ``timeout``.
    """
    with sender.fresh() as connection:
        replies: object = sender.app.control.broadcast(
            command,
            arguments=arguments,
            destination=sorted(set(nodes)) or None,
            limit=len(nodes) or None,
            connection=connection,
            reply=True,
            timeout=timeout,
        )
    listed = replies if isinstance(replies, list) else []
    return [each for reply in listed if isinstance(reply, dict) for each in reply.items()]
