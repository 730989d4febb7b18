"""The same cells for two systems that are known to lose mail: the matrix must see it."""

import pytest

from tests.chaos.matrix.columns import COLUMNS, applies
from tests.chaos.matrix.rows import ROWS
from tests.chaos.matrix.runs import Runs, Which
from tests.chaos.matrix.systems import BARE, plain, reboot

PLAIN, REBOOT = plain(), reboot()
CONTROLS = (PLAIN, REBOOT)
CELLS = [
    Which(row, column, system)
    for row in ROWS
    for system in CONTROLS
    for column, (level, _) in COLUMNS.items()
    if level == BARE and applies(row, column)
]
# Where each of them loses or doubles mail, whatever the moment.
EVERYWHERE = {"worker to mail server: refuses some recipients"}
CAUGHT = {
    (PLAIN.name, "bare-redis"): {
        "sender to broker: cut behind a message",
        "worker to broker: cut before an acknowledgement",
        "worker to mail server: cut before the final answer",
    },
    (PLAIN.name, "bare-rabbitmq"): {
        "sender to broker: black hole",
        "sender to broker: cut before a message",
        "worker to mail server: cut before the final answer",
    },
    (REBOOT.name, "bare-redis"): {
        "sender to broker: cut behind a message",
        "worker to mail server: refused",
        "worker to mail server: cut before the final dot",
    },
    (REBOOT.name, "bare-rabbitmq"): {
        "sender to broker: black hole",
        "sender to broker: cut before a message",
        "worker to mail server: refused",
        "worker to mail server: cut before the final dot",
    },
}


@pytest.mark.parametrize("which", CELLS, ids=str)
def test_what_is_known_to_be_bad_is_seen(runs: Runs, which: Which) -> None:
    result = runs.result(which)
    if which.row.link == "nothing":
        assert (result.lost, result.twice) == (0, 0)  # it can deliver
    if which.row.name in EVERYWHERE | CAUGHT[which.system.name, which.column]:
        assert result.lost or result.twice


def test_what_is_to_be_seen_is_a_row() -> None:
    assert {name for names in (EVERYWHERE, *CAUGHT.values()) for name in names} <= {
        row.name for row in ROWS
    }
