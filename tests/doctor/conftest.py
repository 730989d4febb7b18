"""A Redis that these tests may change, and a project of this process."""

from collections.abc import Iterator

import pytest

from mailqueue.broker import workers
from tests.procnodes import redis_process, run
from tests.worker.conftest import celery_of_project as celery_of_project


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Redis that keeps what it accepts, as it should."""
    for node in run(redis_process(tmp_path_factory.mktemp("doctor-redis"))):
        yield node.url


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for workers, where a test has none."""
    monkeypatch.setattr(workers, "SOON", 0.2)
    monkeypatch.setattr(workers, "LATE", 0.2)
