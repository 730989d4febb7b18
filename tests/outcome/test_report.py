"""Success is what a target clearly says. Reports by recipient: `tests/delivery/test_report.py`."""

import pytest

from mailqueue.outcome import report
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.report import counted

SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)
JO, ANN = "Jo <jo@x.test>", "ann@x.test"


@pytest.mark.parametrize("result", [1, 2])
def test_a_whole_number_of_1_or_more_is_success(result):
    assert {each.kind for each in counted(result, [JO, ANN]).values()} == {Kind.SENT}


@pytest.mark.parametrize("result", [0, -1, None, True, False, 1.0, "1", [1], object()])
def test_nothing_else_is(result):
    assert {each.kind for each in counted(result, [JO, ANN]).values()} == {Kind.TRANSIENT}


def test_thousands_of_recipients_are_looked_at_once(monkeypatch):
    looked = []
    monkeypatch.setattr(report, "_bare", lambda name: looked.append(name) or str(name))
    names = [f"user{number}@example.test" for number in range(1000)]
    outcomes, fault = report.checked(dict.fromkeys(names, SENT), names)
    assert (len(outcomes), fault) == (1000, "")
    assert len(looked) < 5000
