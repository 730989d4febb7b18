"""What each process does: a web process, the timer of a worker, a worker, an operator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.core.mail import EmailMessage
from django.db import Error, close_old_connections, transaction

from mailqueue import pauses, tasks
from mailqueue.bootsteps import relay as timer
from mailqueue.broker.message import queue_of_ring
from mailqueue.enqueue.accept import ID, accept
from mailqueue.errors import PublishError
from mailqueue.lanes import lane_of
from mailqueue.opaque import Opaque
from mailqueue.relay import INTERVAL
from mailqueue.scheduling import queue_options
from mailqueue.signals import dead
from tests.simulation.plan import ALIAS, MAILER, Call, Mail
from tests.simulation.processes import Process
from tests.simulation.windows import Window

if TYPE_CHECKING:
    from tests.simulation.world import World

UNDONE = "rolled back"


def send(world: "World", process: Process) -> bool:
    """Be a web process: send what is to be sent."""
    world.app.set_current()
    if not world.outbox:
        return False
    call = world.outbox.pop(0)
    numbers = call.numbers
    world.excuses.begin(process)  # in eager mode it delivers
    messages = [message_of(world.mails[number]) for number in numbers]
    with losing() as lost:
        told, sure = told_of(call, messages)
    world.excuses.left(process)
    world.tell(f"the caller of mails {numbers} was told: {told}")
    for place, number in enumerate(numbers):
        mail = world.mails[number]
        mail.told = "accepted" if place < sure else told
        mail.accepted_at = world.clock.now if place < sure else None
        if getattr(messages[place], ID, "") in lost:
            mail.told = "lost after the commit"
    return True


def told_of(call: Call, messages: list[EmailMessage]) -> tuple[str, int]:
    """Send in one call; return what its caller was told, and how many mails are queued for sure."""
    try:
        within(list(call.blocks), lambda: accept(messages, lane_of(MAILER)))
    except PublishError as error:
        return "PublishError", error.queued
    except (Error, SoftTimeLimitExceeded) as error:
        close_old_connections()  # as Django does at the end of a request
        return type(error).__name__, 0
    return (UNDONE, 0) if call.is_undone else ("accepted", len(messages))


class Undone(Exception):  # noqa: N818 (it is none)
    """A block is to be rolled back."""


def within(blocks: list[str], act: Callable[[], object]) -> None:
    """Do something inside of the blocks of a transaction."""
    if not blocks:
        act()
        return
    with suppress(Undone), transaction.atomic(using=ALIAS):
        if blocks[0] == "robust":
            transaction.on_commit(raises, using=ALIAS, robust=True)
        within(blocks[1:], act)
        if blocks[0] == "rolls back":
            raise Undone


def raises() -> None:
    raise RuntimeError("a function of the project's")


@contextmanager
def losing() -> Iterator[set[str]]:
    """Collect the ids of mails that are told dead when a transaction has committed."""
    lost = set()

    def hear(id: str, reason: str, **facts: Any) -> None:  # noqa: A002
        if reason.startswith("the transaction committed"):
            lost.add(id)

    dead.connect(hear)
    try:
        yield lost
    finally:
        dead.disconnect(hear)


def message_of(mail: Mail) -> EmailMessage:
    to = [f"r{each}.m{mail.number}@example.test" for each in range(len(mail.fate.recipients))]
    made = EmailMessage(f"mail {mail.number}", f"body {mail.number}", "from@example.test", to)
    at = None if mail.send_at is None else datetime.fromtimestamp(mail.send_at, UTC)
    until = None if mail.expires_at is None else datetime.fromtimestamp(mail.expires_at, UTC)
    return queue_options(made, send_at=at, expires=until)


def look(world: "World", process: Process) -> bool:
    """Be the timer of a worker."""
    world.app.set_current()
    if not world.is_time_to_look():
        return False
    world.next_look = world.clock.now + INTERVAL
    world.excuses.begin(process)
    timer.run()
    world.excuses.left(process)
    return True


def operate(world: "World", process: Process) -> bool:
    """Be an operator, who pauses the mailer and resumes it."""
    world.app.set_current()
    if not world.orders:
        return False
    order = world.orders.pop(0)
    act = {"pause": pauses.pause, "resume": pauses.resume}[order]
    begun = world.clock.now
    try:
        changed = act(MAILER, lane_of(MAILER).options.queue)
    except Error as error:
        world.tell(f"the operator was told: {type(error).__name__}")
        close_old_connections()  # the next command is a process of its own
        return True
    world.tell(f"the operator says {order}: {changed}")
    if changed and order == "pause":
        world.paused_since = world.clock.now
    elif changed and world.paused_since is not None:
        world.pauses.append((world.paused_since, begun))
        world.paused_since = None
    return True


def work(world: "World", process: Process) -> bool:
    """Be a worker: take a message, run its task, acknowledge it."""
    world.app.set_current()
    message = world.broker.take(process)
    if message is None:
        return False
    world.excuses.begin(process)
    message.started = True
    process.step("after taking a message")
    ring = queue_of_ring(message.argument) is not None
    world.tell(f"{process.name} takes {'a ring' if ring else f'message {message.number}'}")
    try:
        tasks.deliver(Opaque(message.argument))
    except Reject as error:
        limited = isinstance(error.__context__, SoftTimeLimitExceeded)
        window = Window.KILLED if limited else Window.REJECTED
        world.broker.give_back(message, process, window)
        return True
    if process.limited and not ring:
        world.excuses.limited(message.body)
    world.excuses.left(process)
    if process.step("before acknowledging") == "lose":
        world.tell(f"{process.name} loses its connection to the broker")
        world.broker.lose(process, Window.CUT)
    else:
        world.broker.ack(message, process)
    return True


Job = Callable[["World", Process], bool]
JOBS: dict[str, Job] = {
    "web": send,
    "timer": look,
    "operator": operate,
    "worker 1": work,
    "worker 2": work,
}
