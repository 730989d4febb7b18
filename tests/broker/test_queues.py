"""The queues that a worker gets to know."""

import pytest
from celery import Celery

from mailqueue.broker.app import mail_app
from mailqueue.broker.queues import (
    accepts_json,
    keep_to_consumed,
    mail_queue,
    prepare_worker,
)


@pytest.fixture
def app(monkeypatch):
    """The app made for mail; it connects to nothing here."""
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", "amqp://127.0.0.1:1//")
    mail_app.cache_clear()
    yield mail_app()
    mail_app.cache_clear()


def consumed(app: Celery) -> dict[str, object]:
    return {name: queue.queue_arguments for name, queue in app.amqp.queues.consume_from.items()}


def test_a_mail_worker_consumes_the_mail_queues_and_no_queue_of_celerys_own(app):
    prepare_worker(app, ["newsletter", "urgent"])
    quorum = mail_queue("urgent", quorum=True).queue_arguments
    assert consumed(app).keys() == {"newsletter", "urgent"}
    assert consumed(app)["urgent"] == quorum


def test_a_project_keeps_its_own_queue():
    app = Celery("project", broker="amqp://127.0.0.1:1//", set_as_current=False)
    prepare_worker(app, ["mailqueue"])
    assert consumed(app).keys() == {"celery", "mailqueue"}
    assert consumed(app)["celery"] is None


def test_of_several_brokers_in_a_tuple_celerys_worker_gets_a_list():
    app = Celery("project", set_as_current=False)
    app.conf.broker_url = ("amqp://127.0.0.1:1//", "amqp://127.0.0.1:2//")
    prepare_worker(app, ["mailqueue"])
    assert app.conf.broker_url == ["amqp://127.0.0.1:1//", "amqp://127.0.0.1:2//"]


@pytest.mark.parametrize(
    ("chosen", "known", "warned"),
    [
        ("celery", {"celery"}, False),
        ("mail", {"mail"}, False),
        ("celery,mail", {"celery", "mail"}, True),
    ],
)
def test_a_worker_forgets_a_mail_queue_that_it_does_not_consume(chosen, known, warned, caplog):
    app = Celery("project", broker="amqp://127.0.0.1:1//", set_as_current=False)
    prepare_worker(app, ["mail"])
    app.amqp.queues.select(chosen.split(","))
    assert keep_to_consumed(app, ["mail"]) == known & {"mail"}
    assert set(app.amqp.queues) - {"celery"} == known - {"celery"}
    assert ("give mail a worker of its own" in caplog.text) is warned


@pytest.mark.parametrize(
    ("accepted", "starts"),
    [(["json"], True), (["pickle", "application/json"], True), (["pickle"], False), ([], False)],
)
def test_mail_travels_as_json(accepted, starts):
    app = Celery("project", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.accept_content = accepted
    assert accepts_json(app) is starts
