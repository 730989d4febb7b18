"""A Redis of its own, whose keys may be counted."""

from collections.abc import Iterator

import pytest

from tests.procnodes import redis_process, run


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for node in run(redis_process(tmp_path_factory.mktemp("redis"))):
        yield node.url
