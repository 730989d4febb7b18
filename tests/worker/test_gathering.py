"""Mails sent one by one that a real worker takes as one task, and what interrupts it."""

import re
from collections.abc import Iterator

import psutil
import pytest

from mailqueue.demo.answers import Stall
from mailqueue.mail import send_mail
from tests.procnodes import Process, worker_command
from tests.services import queue_on
from tests.waiting import until
from tests.worker.deployment import environment
from tests.worker.shop import OWN_APP, SETTINGS, Project

NAMES = [f"to{number}@x.test" for number in range(5)]


@pytest.fixture
def worker(broker_url, queue, sink, tmp_path) -> Iterator[Process]:
    """One process, which may have ten messages."""
    command = worker_command("worker", "-c", "1", "-l", "INFO", "--prefetch-multiplier", "10")
    process = Process("worker", command, cwd=tmp_path, env=environment(broker_url, queue, sink))
    yield process
    process.remove()


OWN_TASK = """
import smtplib
from celery import shared_task
from django.conf import settings

@shared_task
def report():
    with smtplib.SMTP("127.0.0.1", settings.MAILERS["smtp"]["OPTIONS"]["port"]) as client:
        client.sendmail("me@x.test", ["report@x.test"], "Subject: a report")
"""
QUEUE_ALL = """
import django; django.setup()
from shop.tasks import report
from mailqueue.mail import send_mail
for number in range(100):
    send_mail("Hello", "body", "me@x.test", [f"to{number}@x.test"])
report.delay()
"""


def test_mails_that_are_taken_together_leave_a_projects_own_tasks_their_turn(
    tmp_path, redis_url, sink
) -> None:
    with queue_on(redis_url) as mail, queue_on(redis_url) as own:
        shop = Project(tmp_path, "shop")
        text = SETTINGS.format(broker_url=redis_url, queue=mail, port=sink.port, using="smtp")
        text += f"INSTALLED_APPS += ['shop']\nCELERY_TASK_DEFAULT_QUEUE = '{own}'\n"
        init = "from .celery import app as celery_app\n"
        shop.write(__init__=init, settings=text, celery=OWN_APP, tasks=OWN_TASK)
        shop.send(QUEUE_ALL)
        worker = shop.worker("shop")
        try:
            sink.wait(lambda: len(sink.mails) == 101)
        finally:
            worker.remove()
    assert set(sink.copies().values()) == {1}
    came = [mail.recipients for mail in sink.mails]
    assert came.index(("report@x.test",)) < 50


def send(*names: str) -> None:
    for name in names:
        send_mail("Hello", "body", "me@x.test", [name])


def tasks(worker: Process) -> list[str]:
    """Return what each task came to that has ended."""
    return re.findall(r"succeeded in \S+: '(.+)'", worker.logs().decode())


@pytest.fixture
def busy(worker, publisher, queue, sink) -> Stall:
    """Let the one process hang at a mail, and the others come meanwhile."""
    stall = Stall()
    sink.answer("DATA", stall, to="first@x.test")
    send("first@x.test")
    assert stall.reached.wait(60)
    send(*NAMES)
    until(lambda: publisher.waiting(queue) == 0)
    return stall


def test_what_comes_while_a_worker_is_busy_is_one_task(worker, busy, sink) -> None:
    busy.release()
    sink.wait(lambda: len(sink.mails) == 1 + len(NAMES))
    until(lambda: len(tasks(worker)) == 2)
    assert tasks(worker) == ["1 sent", f"{len(NAMES)} sent"]
    assert sink.copies() == dict.fromkeys(["first@x.test", *NAMES], 1)


def test_of_a_process_that_is_killed_each_comes_again_alone(worker, busy, sink) -> None:
    """The killer, if it is one of them, takes the others along once."""
    stall = Stall()
    sink.answer("DATA", stall, to=NAMES[2])
    busy.release()
    assert stall.reached.wait(60)
    [child] = psutil.Process(worker.popen.pid).children()
    child.kill()
    stall.release()
    until(lambda: len(tasks(worker)) == 1 + len(NAMES))
    assert tasks(worker) == ["1 sent"] * (1 + len(NAMES))
    copies = sink.copies()
    assert [copies[name] for name in NAMES[2:]] == [1, 1, 1]
    assert all(1 <= copies[name] <= 2 for name in NAMES[:2])


def test_what_waits_when_a_worker_ends_is_the_brokers_again(
    worker, busy, publisher, queue, sink
) -> None:
    worker.kill("SIGTERM")
    until(lambda: b"Warm shutdown" in worker.logs())
    busy.release()
    worker.popen.wait(60)
    assert tasks(worker) == ["1 sent"]
    until(lambda: publisher.waiting(queue) == len(NAMES))
    worker.start()
    sink.wait(lambda: len(sink.mails) == 1 + len(NAMES))
    assert sink.copies() == dict.fromkeys(["first@x.test", *NAMES], 1)


@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
@pytest.mark.parametrize("how", [["-P", "solo"], ["--disable-prefetch"]])
def test_a_worker_that_takes_nothing_ahead_takes_nothing_along(
    broker_url, queue, sink, tmp_path, publisher, how
) -> None:
    """What waits is for another worker."""
    stall = Stall()
    sink.answer("DATA", stall, to=NAMES[0])
    send(*NAMES)
    command = worker_command("worker", "-c", "1", "--prefetch-multiplier", "10", *how)
    process = Process("worker", command, cwd=tmp_path, env=environment(broker_url, queue, sink))
    try:
        assert stall.reached.wait(60)
        assert publisher.waiting(queue) == len(NAMES) - 1
        stall.release()
        sink.wait(lambda: len(sink.mails) == len(NAMES))
    finally:
        process.remove()
    assert sink.copies() == dict.fromkeys(NAMES, 1)
