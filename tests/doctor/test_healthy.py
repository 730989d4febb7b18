"""Where nothing is wrong the doctor finds nothing, at each level and on each broker."""

import pytest

from mailqueue.broker.dead import count
from mailqueue.broker.publish import publisher
from mailqueue.demo.sink import Sink
from tests.doctor.shop import CRYPT, Shop, queue_to, smtp
from tests.project_app import project_app
from tests.services import queue_on

SAFE = {"attachments": "files", "encryption_keys": [CRYPT]}


@pytest.mark.parametrize(
    ("broker", "ledger"),
    [
        pytest.param("own_redis", True, marks=pytest.mark.broker),
        pytest.param("rabbitmq_url", False, marks=[pytest.mark.broker, pytest.mark.rabbitmq]),
    ],
)
def test_nothing_is_found(request, tmp_path, sink: Sink, broker, ledger) -> None:
    url = request.getfixturevalue(broker)
    with queue_on(url) as queue:
        mailers = {
            "default": queue_to("smtp", queue, **SAFE),  # kept by the ledger where there is one
            "bare": queue_to("default", queue, ledger=None),
            "smtp": smtp(sink.port),
        }
        shop = Shop(tmp_path, url, queue, mailers, ledger=ledger)
        if ledger:
            assert shop.manage("migrate", "-v0").returncode == 0
        worker = shop.worker("mailqueue.worker" if ledger else f"{shop.name}.celery")
        with shop.workers(worker):
            assert shop.doctor() == (0, [])
        # It was opened, and nothing came of it: no mail, no file, no dead letter, no error.
        assert sink.connections == 1
        assert sink.mails == []
        assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
        assert b"ERROR" not in worker.logs()
        assert b"Task mailqueue.deliver[" in worker.logs()  # what was picked up
        with project_app(url):
            assert publisher().waiting(queue) == 0
            assert count(publisher(), queue=queue) == 0
