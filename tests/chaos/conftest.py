"""The sites of the chaos tests: each level on each broker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailqueue.demo.broker import remove_queues
from tests.chaos.site import QUEUE, Site
from tests.cluster import (  # noqa: F401 (fixtures)
    default_redis_broker,
    rabbitmq_node,
)
from tests.ledger.conftest import databases, empty_table  # noqa: F401 (fixtures)

REDIS, RABBITMQ = ("redis", "rabbitmq")
SITES = {
    "bare-redis": (None, REDIS),
    "bare-rabbitmq": (None, RABBITMQ),
    "ledger-redis": ("postgresql", REDIS),
    "ledger-rabbitmq": ("postgresql", RABBITMQ),
}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Make a site for one test; without a lane yet, and not yet running."""
    level, kind = SITES[request.param]
    broker = broker_of(request, kind)
    if level is None:
        yield Site(tmp_path, broker, None)
        return
    request.getfixturevalue("databases")(level)
    with empty_table(level) as alias:
        yield Site(tmp_path, broker, alias)


def broker_of(request: pytest.FixtureRequest, kind: str) -> str:
    """Return the URL of a broker of our own, with no mail on it."""
    if kind == REDIS:
        return str(request.getfixturevalue("default_redis_broker").url)
    url = str(request.getfixturevalue("rabbitmq_node").url)
    remove_queues(url, QUEUE, f"{QUEUE}.dead")
    return url


def only(*names: str) -> Any:
    """Return the mark of a test that makes sense on these sites alone."""
    return pytest.mark.parametrize("site", names, indirect=True)
