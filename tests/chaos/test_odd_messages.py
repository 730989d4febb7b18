"""Messages with odd parts: an error for the caller, or a mail that arrives; in time."""

import time
from typing import Any

import pytest

from mailqueue.log import floods
from mailqueue.mail import mailers
from mailqueue.testing.memory import queue_in_memory
from tests.chaos.odd import Odd
from tests.chaos.seeds import chance, rounds
from tests.chaos.test_injections import last_reason, project
from tests.smtp.scripted import Server

SLOWEST = 15.0  # seconds of processor time for one message; most take milliseconds
# Not every odd part can be written in 7 bits, or without SMTPUTF8; no caller knows the server.
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8")


@pytest.mark.filterwarnings("ignore")
def test_what_is_taken_arrives() -> None:
    odd = Odd(chance("odd messages"))
    floods.flush()
    faults: list[str] = []
    tried = arrived = 0
    with (
        Server(extensions=EXTENSIONS) as server,
        project(server.port),
        queue_in_memory() as deliver,
    ):
        for tried in rounds():  # noqa: B007 (how many it were is printed)
            message = odd.message()
            began = time.process_time()
            try:
                queued = mailers["default"].send_messages([message])
            except Exception:  # noqa: BLE001 (an error for the caller is always right)
                queued = 0
            if queued:
                deliver()
                arrived += len(server.taken)
                faults += wrong(message, server)
                server.taken.clear()
            if (took := time.process_time() - began) > SLOWEST:
                faults.append(f"{took:.0f} s: {told(message)}")
    print(f"{tried + 1} odd messages tried, {arrived} arrived")
    assert not faults, "\n".join([f"{len(faults)} faults:", *faults[:5]])
    assert arrived > tried / 10


def wrong(message: Any, server: Server) -> list[str]:
    if not server.taken:
        return [f"accepted, and died: {last_reason()}: {told(message)}"]
    taken = server.taken[-1]
    if b"evil" in taken.content.partition(b"\r\n\r\n")[0] or "evil@evil.test" in taken.recipients:
        return [f"forged: {told(message)}"]
    return []


def told(message: Any) -> str:
    """Say what the message was, each value shortened."""
    return ", ".join(f"{name}={repr(value)[:200]}" for name, value in vars(message).items())
