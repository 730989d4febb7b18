"""Two workers, a broker and an SMTP server as processes of their own, one set for each test.

pytest-celery builds the cluster; its nodes are processes, so no Docker engine is needed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, _state
from pytest_celery import CeleryTestWorker, CeleryWorkerCluster, CeleryWorkerContainer

from mailqueue.broker.publish import publisher_of
from mailqueue.demo.broker import remove_queues
from mailqueue.demo.sink import Sink
from tests.procnodes import (
    Process,
    RabbitProcess,
    RedisProcess,
    rabbitmq_process,
    redis_process,
    run,
    worker_command,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(
    params=[
        pytest.param("celery_redis_broker", id="redis"),
        pytest.param("celery_rabbitmq_broker", id="rabbitmq", marks=pytest.mark.rabbitmq),
    ]
)
def celery_broker(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def default_redis_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    yield from run(redis_process(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitProcess]:
    """Run one node for all tests, since it takes ten seconds to start."""
    node = rabbitmq_process(tmp_path_factory.mktemp("rabbitmq"))
    try:
        assert node.ready()
        yield node
    finally:
        node.stop()


@pytest.fixture
def default_rabbitmq_broker(rabbitmq_node: RabbitProcess) -> RabbitProcess:
    remove_queues(rabbitmq_node.url, "mailqueue", "mailqueue.dead")
    return rabbitmq_node


@pytest.fixture
def celery_backend_cluster() -> None:
    """Mail has no results."""


@pytest.fixture
def celery_setup_app(celery_setup_app: Celery) -> Iterator[Celery]:
    """Make pytest-celery's app the one that carries mail in this process, for one test."""
    before = _state.get_current_app()
    celery_setup_app.set_current()
    yield celery_setup_app
    publisher_of(celery_setup_app).close()
    celery_setup_app.close()
    _state._set_current_app(before)


@pytest.fixture
def worker_env(celery_broker_cluster_config: dict[str, Any], sink: Sink) -> dict[str, str]:
    """Name the environment that makes `worker` deliver from this test's broker to its sink."""
    return {
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "worker.settings",
        "MAILQUEUE_BROKER_URL": celery_broker_cluster_config["urls"][0],
        "MAILQUEUE_SECRET_KEY": "only for tests",
        "MAILQUEUE_SMTP_HOST": "127.0.0.1",
        "MAILQUEUE_SMTP_PORT": str(sink.port),
        "MAILQUEUE_RETRY": json.dumps({"schedule": [1]}),
        # On Redis: when a dead worker's mail comes back.
        "MAILQUEUE_VISIBILITY_TIMEOUT": "5",
    }


@pytest.fixture
def celery_worker_cluster(
    worker_env: dict[str, str], celery_setup_app: Celery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryWorkerCluster]:
    """Start two workers of one process each, as a deployment starts them."""
    processes = []
    try:
        for name in ("one", "two"):
            command = worker_command("worker", "-c", "1", "-l", "INFO", node=name)
            folder = tmp_path_factory.mktemp(name)
            processes.append(Process(name, command, cwd=folder, env=worker_env))
        containers = [CeleryWorkerContainer(process) for process in processes]
        assert all(container.ready() for container in containers)
        yield CeleryWorkerCluster(
            *(CeleryTestWorker(container, celery_setup_app) for container in containers)
        )
    finally:
        for process in processes:
            process.remove()


@pytest.fixture(autouse=True)
def two_mailers(settings: Any) -> None:
    """Undo what Django's test environment does to MAILERS: here mail shall leave the process."""
    queue = "mailqueue.backends.queue.EmailBackend"
    settings.MAILERS = {
        "default": {
            "BACKEND": queue,
            "OPTIONS": {"using": "smtp", "batch_size": 1, "ledger": None},
        },
        "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}},
    }
