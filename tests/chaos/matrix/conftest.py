"""All cells that were asked for, a few at once; and the table of their results."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.matrix import table
from tests.chaos.matrix.columns import Servers
from tests.chaos.matrix.runs import Runs


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Begin the cells of all tests of this run."""
    asked = [
        item.callspec.params["which"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "which" in getattr(item, "fixturenames", ())
    ]
    with ExitStack() as stack:
        runs = Runs(Servers(tmp_path_factory.mktemp("matrix"), stack), asked)
        stack.callback(runs.close)
        yield runs
        table.write(runs.results())
