"""How each fault comes and goes: what a row does to a cell."""

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from tests.chaos.matrix.excuses import Event
from tests.proxy import CutOn, Fault
from tests.waiting import until

if TYPE_CHECKING:
    from tests.chaos.matrix.cell import Cell

SENDER_BROKER, WORKER_BROKER = "sender to broker", "worker to broker"
SENDER_DATABASE, WORKER_DATABASE = "sender to database", "worker to database"
WORKER_RELAY = "worker to mail server"
PROCESSES = "processes"
DATABASES = (SENDER_DATABASE, WORKER_DATABASE)

LASTS = 4.0  # seconds
# What RabbitMQ's clients say to acknowledge: class 60, method 80.
AMQP_ACK = b"\x00\x3c\x00\x50"
REDIS_ACK = b"ZREM"
TAKEN = b"250 2.0.0 Ok"
DOT = b"\r\n.\r\n"

Strike = Callable[["Cell"], None]


# Faults of a link.


def lasting(link: str, fault: Callable[[], Fault], seconds: float = LASTS) -> Strike:
    def strike(cell: "Cell") -> None:
        way = cell.ways[link]
        end = time.monotonic() + seconds
        way.become(fault())
        if link == WORKER_RELAY:
            cell.ping()  # whose tasks have no part in it
        time.sleep(max(0.0, end - time.monotonic()))  # so long it lasts
        way.heal()

    return strike


def cutting(link: str, pattern: Callable[["Cell"], bytes], **how: bool) -> Strike:
    """Cut three connections, one after the other, when something passes by.

    With the ledger who sends leaves a broker alone for a while that it could not ring at.
    """

    def strike(cell: "Cell") -> None:
        way = cell.ways[link]
        once = cell.database and link == SENDER_BROKER
        way.become(CutOn(pattern(cell), times=1 if once else 3, **how))
        cell.must_happen(way.acted)
        way.heal()

    return strike


def task(cell: "Cell") -> bytes:
    return cell.system.task.encode()


def acknowledged(cell: "Cell") -> bytes:
    return REDIS_ACK if cell.on_redis else AMQP_ACK


def always(pattern: bytes) -> Callable[["Cell"], bytes]:
    return lambda cell: pattern


# Faults of processes.


def kill_workers(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        worker.kill()
        cell.killed(worker)
        cell.project.again(worker)


def kill_children(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        for child in psutil.Process(worker.popen.pid).children():
            child.kill()
        cell.killed(worker)


def end_workers(cell: "Cell") -> None:
    for worker in cell.project.workers:
        cell.busy()
        worker.kill("SIGTERM")
        worker.popen.wait(60)
        cell.project.again(worker)


def stop_a_worker(cell: "Cell") -> None:
    """Stop one for longer than its lease, and than Redis waits for it."""
    cell.busy()
    worker = cell.project.workers[0]
    os.killpg(worker.popen.pid, signal.SIGSTOP)
    since = time.monotonic()
    time.sleep(20)
    os.killpg(worker.popen.pid, signal.SIGCONT)
    cell.events.append(Event("stopped", worker.name, since, time.monotonic()))


def kill_sender(cell: "Cell") -> None:
    cell.project.senders[0].kill()


def kill_broker(cell: "Cell") -> None:
    cell.broker.kill()
    cell.broker.start()


def flush_broker(cell: "Cell") -> None:
    """Flush it while messages wait."""
    groups = [worker.popen.pid for worker in cell.project.workers]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    seen = cell.told_until()
    until(lambda: cell.told_until() > seen + 10)
    cell.broker.flush()
    for group in groups:
        os.killpg(group, signal.SIGCONT)


def fill_broker(cell: "Cell") -> None:
    """Let the broker take nothing until a caller was told so; with the ledger none is."""
    sender = cell.project.senders[0].popen.pid
    os.killpg(sender, signal.SIGSTOP)  # it takes seconds to tell RabbitMQ
    before = cell.told_until()
    cell.broker.fill()
    os.killpg(sender, signal.SIGCONT)
    if cell.database:
        time.sleep(LASTS)
    else:
        try:
            until(lambda: cell.errors_since(before), 30)
        except AssertionError:
            cell.others.append("no caller was told that the broker is full")
    cell.broker.make_room()


def kill_database(cell: "Cell") -> None:
    assert cell.database
    cell.database.kill()
    cell.database.start()


def refuse_for_now(cell: "Cell") -> None:
    """Refuse one recipient of every fifth mail for now."""
    for number in range(cell.told_until() + 1, cell.mails):
        if number % 5 == 0:
            cell.relay.answer("RCPT", "451 4.3.0 later", to=cell.addresses(number)[-1])


def refuse_some(cell: "Cell") -> None:
    """Refuse a recipient of mails to three for good, and others for now."""
    for number in range(cell.told_until() + 1, cell.mails):
        if number % 15 == 0:
            who = cell.addresses(number)
            cell.relay.answer("RCPT", "550 5.1.1 no such user", to=who[1], times=1000)
            cell.refused.add((number, 1))
    refuse_for_now(cell)
