"""The doorbell: a broker that is away keeps a sender waiting once in a while, not each time."""

import pytest
from celery import Celery

from mailqueue.broker import bell
from mailqueue.broker.bell import SILENCE, Bell
from mailqueue.errors import PublishError


class Away:
    """A publisher whose broker does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    def task(self, argument: str, **options: object) -> None:
        self.asked += 1
        raise PublishError("The broker did not take it.")


@pytest.fixture
def away(monkeypatch) -> Away:
    publisher = Away()
    monkeypatch.setattr(bell, "publisher_of", lambda app: publisher)
    app = Celery("away", set_as_current=False)
    monkeypatch.setattr(bell, "carrier_app", lambda: app)
    return publisher


def test_a_broker_that_was_silent_is_left_alone_for_a_while(away, monkeypatch, caplog):
    clock = [1000.0]
    monkeypatch.setattr(bell.time, "monotonic", lambda: clock[0])
    ours = Bell()
    assert [ours.ring("mail", None) for _ in range(100)] == [False] * 100
    assert away.asked == 1
    clock[0] += SILENCE + 0.1
    assert not ours.ring("mail", None)
    assert away.asked == 2
    assert caplog.text.count("Kept mail waits for a worker's timer") == 1
