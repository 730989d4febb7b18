"""Whole projects, as the README describes them, with a worker process of their own."""

from collections.abc import Iterator

import pytest

from mailqueue.demo.sink import Stall
from tests.services import queue_on
from tests.worker.shop import OWN_APP, SETTINGS, Project

SEND_THREE = """
import django; django.setup()
from django.core.mail import EmailMessage
from mailqueue.mail import mailers
mails = [EmailMessage("Hello", "body", "a@x.test", [f"{to}@x.test"]) for to in "bcd"]
assert mailers.default.send_messages(mails) == 3
"""


@pytest.fixture
def project(tmp_path, redis_url, sink) -> Iterator[tuple[Project, dict[str, object]]]:
    with queue_on(redis_url) as queue:
        name = f"shop{queue.rpartition('-')[2]}"
        values = {"broker_url": redis_url, "queue": queue, "port": sink.port, "using": "smtp"}
        yield Project(tmp_path, name), values


def test_a_project_without_celery_needs_settings_alone(project, sink):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values))
    shop.deliver(sink, "worker")


def test_a_project_with_celery_needs_to_discover_tasks(project, sink):
    shop, values = project
    shop.write(
        __init__="from .celery import app as celery_app\n",
        settings=SETTINGS.format(**values),
        celery=OWN_APP,
    )
    shop.deliver(sink, shop.name)


def test_a_worker_without_secret_key_does_not_start(project):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values).replace('SECRET_KEY = "key"', ""))
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert "SECRET_KEY" in worker.logs().decode()


@pytest.mark.parametrize("using", ["gone", "default"])
def test_a_worker_with_wrong_mailers_does_not_start(project, using):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values | {"using": using}))
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert "MAILERS['default']: 'using' must" in worker.logs().decode()


@pytest.mark.parametrize("urls", ["list", "tuple", "text"])
def test_several_brokers(project, sink, urls):
    """The first one is away."""
    shop, values = project
    both = ("redis://127.0.0.1:1/0", values["broker_url"])
    written = {"list": list(both), "tuple": both, "text": ";".join(both)}[urls]
    text = SETTINGS.format(**values).replace(f'"{values["broker_url"]}"', repr(written))
    shop.write(settings=text)
    shop.deliver(sink, "worker")


def test_a_worker_that_knows_no_broker_does_not_start(project):
    shop, values = project
    text = SETTINGS.format(**values).replace("CELERY_BROKER_URL", "OTHER")
    shop.write(settings=text)
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert worker.logs().decode().startswith("mailqueue: No broker is known. Set CELERY_BROKER_URL")


def test_a_worker_that_takes_no_json_does_not_start(project):
    shop, values = project
    shop.write(settings=SETTINGS.format(**values) + "CELERY_ACCEPT_CONTENT = ['msgpack']")
    worker = shop.worker("worker")
    assert worker.popen.wait(60) == 1
    assert "mailqueue: accept_content lacks 'json'" in worker.logs().decode()


def test_time_limits_and_routes_of_the_project_are_for_its_own_tasks(project, sink):
    """The relay takes longer than the limit; killed workers would send the batch over again."""
    shop, values = project
    text = SETTINGS.format(**values)
    text += "CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT = 1\n"
    text += "CELERY_TASK_ROUTES = {'*': {'exchange': 'jobs', 'routing_key': 'jobs'}}\n"
    text += "CELERY_TASK_COMPRESSION = 'gzip'\nCELERY_TASK_PROTOCOL = 1\n"
    shop.write(__init__="from .celery import app as celery_app\n", settings=text, celery=OWN_APP)
    stall = Stall()
    sink.answer("DOT", stall, to="c@x.test")
    worker = shop.worker(shop.name)
    try:
        shop.send(SEND_THREE)
        assert stall.reached.wait(60)
        stall.released.wait(3)  # thrice the limit
        stall.release()
        sink.wait(lambda: len(sink.copies()) == 3)
    finally:
        worker.remove()
    assert set(sink.copies().values()) == {1}
