"""Fixtures for all tests: brokers, a queue of one's own, an SMTP server that plays along."""

import os
from collections.abc import Iterator

import pytest
from celery.contrib.pytest import celery_worker as celery_worker  # pytest-celery's is a Docker node
from coverage import Coverage

from mailqueue.broker import bell, ringer
from mailqueue.delivery.claiming import unanswered
from mailqueue.delivery.deliver import breakers
from mailqueue.demo.sink import Sink
from tests import services

# Coverage measures the processes of pytest-xdist, and not the workers that the tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_unconfigure() -> None:
    """Keep what was measured: pytest-xdist does not wait for a process that is slow to end."""
    if "PYTEST_XDIST_WORKER" in os.environ and (measured := Coverage.current()):
        measured.stop()
        measured.save()


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Forget which mailers pause and that a broker was away: a test is a process of its own."""
    breakers.clear()
    bell.forget()
    unanswered.clear()
    yield
    ringer.flush()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.redis_service(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.rabbitmq_service(tmp_path_factory.mktemp("rabbitmq")) as url:
        yield url


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.broker),
        pytest.param("rabbitmq", marks=[pytest.mark.broker, pytest.mark.rabbitmq]),
    ]
)
def broker_url(request: pytest.FixtureRequest) -> str:
    """Run the test once on Redis, once on RabbitMQ."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def queue(broker_url: str) -> Iterator[str]:
    """Name a queue of `broker_url` for this test alone."""
    with services.queue_on(broker_url) as name:
        yield name


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Run an SMTP server; `sink.port` is its port, `sink.mails` what it took."""
    with Sink() as running:
        yield running
