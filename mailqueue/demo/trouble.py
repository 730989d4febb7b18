"""What goes wrong in the middle of the demo: a worker is killed, and the broker forgets all."""

import subprocess
import time

import redis

from mailqueue.demo.answers import Stall
from mailqueue.demo.sink import Sink
from mailqueue.demo.workers import kill

PATIENCE = 20.0  # seconds until all of the workers' processes have a mail in hand


def kill_with_mail_in_hand(sink: Sink, victim: "subprocess.Popen[bytes]", processes: int) -> bool:
    """Kill a worker while each process has a mail in hand that the SMTP server has not taken.

    Returns False if there was not enough mail left for that.
    """
    stalls = [Stall() for _ in range(processes)]
    for stall in stalls:
        sink.answer("MAIL", stall)
    end = time.monotonic() + PATIENCE
    try:
        if not all(stall.reached.wait(max(0.0, end - time.monotonic())) for stall in stalls):
            return False
        kill(victim)
        return True
    finally:
        for stall in stalls:
            stall.release()


def forget_everything(broker_url: str) -> None:
    """Delete all that a Redis or Valkey has."""
    _, _, socket = broker_url.partition("redis+socket://")
    with redis.Redis(unix_socket_path=socket) as client:
        client.flushall()
