"""A project's own tasks on RabbitMQ run beside mailqueue as they ran without it."""

from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_docker_tools.utils import wait_for_callable

from mailqueue.demo.broker import remove_queues
from tests.procnodes import Process
from tests.services import queue_on
from tests.worker.shop import OWN_APP, SETTINGS, Project

pytestmark = [pytest.mark.broker, pytest.mark.rabbitmq]

TASKS = """
from celery import shared_task

@shared_task(name="shop.note")
def note(text):
    print("NOTE", text, flush=True)
"""


@pytest.fixture
def shop(tmp_path, rabbitmq_url, sink) -> Iterator[tuple[Project, str, str]]:
    """Give a project, its mail queue, and a classic queue of its own."""
    with queue_on(rabbitmq_url) as mail, queue_on(rabbitmq_url) as own:
        shop = Project(tmp_path, f"shop{mail.rpartition('-')[2]}")
        text = SETTINGS.format(broker_url=rabbitmq_url, queue=mail, port=sink.port, using="smtp")
        text += f"INSTALLED_APPS += ['{shop.name}']\nCELERY_WORKER_REDIRECT_STDOUTS = False\n"
        # As in a project that never heard of us.
        text += "CELERY_WORKER_PREFETCH_MULTIPLIER = 4\n"
        text += f"CELERY_TASK_DEFAULT_QUEUE = '{own}'\n"
        init = "from .celery import app as celery_app\n"
        shop.write(__init__=init, settings=text, celery=OWN_APP, tasks=TASKS)
        yield shop, mail, own


def test_tasks_that_wait_do_not_block_the_others(shop, rabbitmq_url):
    """More of them than the worker's prefetch count."""
    project, _, own = shop
    with Celery("sender", broker=rabbitmq_url, set_as_current=False) as app:
        app.conf.task_default_queue = own
        for _ in range(8):
            app.send_task("shop.note", ["later"], countdown=3600)
        app.send_task("shop.note", ["now"])
        worker = project.worker(project.name, "-Q", own)
        try:
            wait_for(worker, "NOTE now")
        finally:
            worker.remove()
    log = worker.logs().decode()
    assert "Global QoS is disabled" not in log
    assert "give mail a worker of its own" not in log


def test_a_worker_that_mixes_says_so(shop):
    project, _, own = shop
    worker = project.worker(project.name)
    try:
        wait_for(worker, " ready.")
    finally:
        worker.remove()
    log = worker.logs().decode()
    assert log.count("give mail a worker of its own") == 1
    assert f"mail and other queues ({own})" in log


def test_a_worker_for_mail_alone_has_nothing_to_say(shop, sink):
    project, mail, _ = shop
    worker = project.deliver(sink, project.name, "-Q", mail)
    assert "give mail a worker of its own" not in worker.logs().decode()


SEND_LATER = """
import django; django.setup()
from datetime import timedelta
from django.core.mail import EmailMessage
from django.utils.timezone import now
from mailqueue.mail import mailers
from mailqueue.scheduling import queue_options
for _ in range(8):
    later = EmailMessage("s", "b", "a@x.test", ["later@x.test"])
    mailers.default.send_messages([queue_options(later, send_at=now() + timedelta(hours=1))])
soon = EmailMessage("s", "b", "a@x.test", ["soon@x.test"])
mailers.default.send_messages([queue_options(soon, send_at=now() + timedelta(seconds=1))])
"""


def test_scheduled_mail_takes_no_place_in_a_worker(shop, sink):
    """Sent by a process that is no worker, before any worker ran, and more than one can hold."""
    project, mail, _ = shop
    project.send(SEND_LATER)
    worker = project.worker(project.name, "-Q", mail)
    try:
        sink.wait(lambda: sink.copies()["soon@x.test"] == 1)
        project.send()
        sink.wait(lambda: sink.copies()["b@x.test"] == 1)
    finally:
        worker.remove()
    assert sink.copies()["later@x.test"] == 0


def test_a_queue_whose_name_ends_like_a_mail_queues_is_the_projects(shop, rabbitmq_url, sink):
    project, mail, _ = shop
    reports = f"reports.{mail}"
    worker = project.worker(project.name, "-Q", f"{mail},{reports}")
    try:
        with Celery("sender", broker=rabbitmq_url, set_as_current=False) as app:
            app.send_task("shop.note", kwargs={"text": "report"}, queue=reports)
            wait_for(worker, "NOTE report")
    finally:
        worker.remove()
        remove_queues(rabbitmq_url, reports)


def wait_for(worker: Process, text: str) -> None:
    wait_for_callable(f"waiting for {text!r}", lambda: text in worker.logs().decode(), timeout=60)
