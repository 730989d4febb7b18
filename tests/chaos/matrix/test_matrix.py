"""Each fault, on each level and broker: no mail is lost, and what comes twice has its window."""

import pytest

from tests.chaos.matrix.columns import COLUMNS, applies
from tests.chaos.matrix.rows import ROWS
from tests.chaos.matrix.runs import Runs, Which
from tests.chaos.matrix.systems import mailqueue

CELLS = [
    Which(row, column, mailqueue(level))
    for row in ROWS
    for column, (level, _) in COLUMNS.items()
    if applies(row, column)
]


@pytest.mark.parametrize("which", CELLS, ids=str)
def test_no_mail_is_lost_and_what_comes_twice_has_its_window(runs: Runs, which: Which) -> None:
    result = runs.result(which)
    assert result.faults == ()
    assert result.unexplained == ()
    # What is lost by the nature of the level is in the table, and on the page around it.
    assert not result.lost or which.column in which.row.loses
