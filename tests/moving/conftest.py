"""A project on each pair of a Django and a package that can be moved from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailqueue.demo.sink import Sink
from tests.environments import environment_with
from tests.moving.peers import Project
from tests.services import queue_on


@pytest.fixture
def project_with(
    tmp_path: Path, redis_url: str, sink: Sink
) -> Iterator[Callable[[str, str], Project]]:
    """Make a project with a Django and a package."""
    with ExitStack() as stack:
        queues = stack.enter_context(queue_on(redis_url)), stack.enter_context(queue_on(redis_url))

        def make(django: str, package: str) -> Project:
            return Project(tmp_path, environment_with(django, package), sink, redis_url, queues)

        yield make
