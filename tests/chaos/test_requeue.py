"""Queue very many dead letters anew, interrupted again and again: none is lost, none is doubled."""

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator

from mailqueue.broker.dead import DeadLetter
from mailqueue.broker.publish import publisher
from mailqueue.demo.sink import Sink
from mailqueue.lanes import Lane, lane_of
from mailqueue.ledger.models import Entry, State
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import worker_keys
from tests.chaos.site import QUEUE, Site
from tests.ledger.mails import envelope
from tests.procnodes import Process
from tests.waiting import until
from tests.worker.project import next_task

LETTERS = int(os.environ.get("MAILQUEUE_TEST_LETTERS", "20000"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGINT)


def test_requeue_all_is_interrupted_and_begun_again(site: Site, sink: Sink) -> None:
    site.lane(sink)
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    with site.running():
        lane = lane_of("default")
        ids = bury(lane, LETTERS)
        assert left(site) == LETTERS
        for number in SIGNALS:
            before = left(site)
            command = requeue_all(site)
            goal = before - chance.randrange(1, LETTERS // 6)
            until(lambda goal=goal: left(site) <= goal, 300)
            os.kill(command.popen.pid, number)
            assert command.popen.wait(120) == 130, command.logs().decode()
            assert b"interrupted: run it again" in command.logs()
        assert 0 < left(site) < LETTERS
        command = requeue_all(site)
        assert command.popen.wait(1200) == 0, command.logs().decode()
        assert left(site) == 0
        assert Counter(queued(site)) == Counter(ids)


def bury(lane: Lane, number: int) -> list[str]:
    """Make so many dead letters; return their ids."""
    mails = [envelope(f"{n}@example.test") for n in range(number)]
    if lane.ledger is not None:
        for start in range(0, number, 10_000):
            some = mails[start : start + 10_000]
            lane.ledger.record([(mail, lane.pack(mail)) for mail in some])
        Entry.objects.update(state=State.DEAD, due_at=None, reason="no mailbox", code=550)
        return [mail.id for mail in mails]
    for mail in mails:
        letter = DeadLetter(
            content=lane.pack(mail), reason="no mailbox", code=550, id=mail.id, mailer="default"
        )
        body = {"v": 1, **{name: getattr(letter, name) for name in letter.__slots__}}
        publisher().dead_letter(body, queue=QUEUE, headers={})
    return [mail.id for mail in mails]


def requeue_all(site: Site) -> Process:
    command = [sys.executable, "-m", "django", "mailqueue", "requeue", "--all", "--yes"]
    return Process("requeue", command, cwd=site.folder, env=site.environment())


def left(site: Site) -> int:
    """Count the dead letters; those in the hands of a command are none."""
    if site.database:
        return Entry.objects.filter(state=State.DEAD).count()
    return site.on_queue(f"{QUEUE}.dead")


def queued(site: Site) -> Iterator[str]:
    """Yield the ids of the mails that are queued."""
    if site.database:
        yield from Entry.objects.filter(state=State.QUEUED).values_list("pk", flat=True)
        return
    while task := next_task(QUEUE):
        [[argument], _, _] = json.loads(task.body) if task.body else task.payload
        for text in json.loads(argument):
            yield unpack(text, worker_keys()).id
