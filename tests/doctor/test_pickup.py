"""A worker that stands still in a mail: what the doctor says of it, and of its queue."""

import pytest
from django.core.mail import EmailMessage

from mailqueue.broker.publish import publisher
from mailqueue.demo.answers import Stall
from mailqueue.doctor import pickup, workers
from mailqueue.lanes import lanes
from mailqueue.mail import mailers
from tests.doctor.shop import KEY, Shop, queue_to, smtp
from tests.project_app import project_app
from tests.services import queue_on
from tests.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.rabbitmq]


def test_a_worker_that_stands_still(tmp_path, rabbitmq_url, sink, settings, monkeypatch) -> None:
    settings.SECRET_KEY = KEY
    monkeypatch.setattr(pickup, "PATIENCE", 0.5)
    monkeypatch.setattr("mailqueue.broker.workers.SOON", 0.3)
    stall = Stall()
    sink.answer("DATA", stall)
    with queue_on(rabbitmq_url) as queue, project_app(rabbitmq_url):
        settings.MAILERS = {
            "default": queue_to("smtp", queue, ledger=None),
            "smtp": smtp(sink.port, timeout=60),
        }
        shop = Shop(tmp_path, rabbitmq_url, queue, settings.MAILERS)
        worker = shop.worker("mailqueue.worker")
        with shop.workers(worker):
            [lane] = lanes().values()
            ids = lambda: [each.id for each in workers.look([lane], probe=True)]  # noqa: E731
            assert ids() == []
            message = EmailMessage("s", "b", "a@x.test", ["b@x.test"])
            mailers.default.send_messages([message])
            assert stall.reached.wait(60)
            # It is at work, and what asks waits for its turn.
            assert ids() == []
            until(lambda: publisher().waiting(queue) == 1)
            # For so long that it must hang.
            monkeypatch.setattr(workers, "BUSY", 0.0)
            monkeypatch.setattr(workers, "longest_of", lambda lane: 0.0)
            assert ids() == ["worker-hangs"]
            # Connected, and as if it had nothing to do.
            monkeypatch.setattr(workers, "BUSY", 900.0)
            idle = pickup.states
            monkeypatch.setattr(
                pickup,
                "states",
                lambda *args: {node: {**said, "busy": None} for node, said in idle(*args).items()},
            )
            assert ids() == ["not-picked-up"]
            stall.release()
            until(lambda: publisher().waiting(queue) == 0)
            assert ids() == []
            sink.wait(lambda: len(sink.mails) == 1)
