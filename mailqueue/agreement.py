"""What a sender and a worker must have in common, told without showing a secret."""

import hmac
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

import mailqueue
from mailqueue.lanes import Lane
from mailqueue.wire.signature import proofs

CHALLENGE = re.compile(r"[0-9a-f]{32,64}", re.ASCII)


def facts(challenge: str, known: Collection[Lane]) -> dict[str, Any]:
    """Return what this process has, as JSON data; ValueError for what is no challenge.

    `known` are its lanes.

    - ``version`` of mailqueue, ``time`` by this clock.
    - ``mailers``: of each that queues its ``queue``, and where its mail is ``kept``.
    - ``signing``, ``encryption``: proofs of the keys that it ``packs`` with and of those that it
      ``opens`` with. Only who has a key can make its proof for this challenge.
    """
    if not isinstance(challenge, str) or not CHALLENGE.fullmatch(challenge):
        raise ValueError("a challenge must be 32 to 64 hexadecimal digits")
    return {
        "version": mailqueue.__version__,
        "time": time.time(),
        "mailers": {lane.mailer: place(lane) for lane in known},
        **proofs(challenge, [lane.options.encryption_keys for lane in known]),
    }


def place(lane: Lane) -> dict[str, str]:
    """Return where the mail of a lane goes and stays."""
    return {
        "queue": lane.options.queue,
        "kept": "broker" if lane.ledger is None else "database",
    }


def opens(worker: Mapping[str, Any], sender: Mapping[str, Any], kind: str) -> bool:
    """Tell whether a worker has each key of a kind that a sender packs with."""
    return all(
        any(hmac.compare_digest(str(each), str(own)) for own in worker[kind]["opens"])
        for each in sender[kind]["packs"]
    )
