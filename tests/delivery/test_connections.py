"""Targets stay open between tasks, and never longer than they are good for."""

import threading

import pytest
from django.test import override_settings

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.delivery import connections as module
from mailqueue.delivery.connections import Connections
from tests.fork import holds_in_child


class Target(BaseEmailBackend):
    log: list[str] = []

    def open(self):
        self.log.append("open")

    def close(self):
        self.log.append("close")

    def send_messages(self, email_messages):
        return len(email_messages)


class OnlySends:
    def __init__(self, alias):
        pass

    def send_messages(self, email_messages):
        return len(email_messages)


@pytest.fixture(autouse=True)
def mailers():
    Target.log = []
    with override_settings(
        MAILERS={
            "target": {"BACKEND": f"{__name__}.Target"},
            "sends": {"BACKEND": f"{__name__}.OnlySends"},
        }
    ):
        yield


@pytest.fixture
def kept() -> Connections:
    return Connections()


def use(kept: Connections, alias: str = "target"):
    with kept.use(alias) as target:
        return target


def test_a_target_is_opened_once_and_closed_at_the_end(kept):
    assert use(kept) is use(kept)
    kept.close()
    assert Target.log == ["open", "close"]


def test_after_an_error_the_target_is_thrown_away(kept):
    first = use(kept)
    with pytest.raises(KeyboardInterrupt), kept.use("target"):
        raise KeyboardInterrupt
    assert Target.log == ["open", "close"]
    assert use(kept) is not first


def test_an_idle_target_is_opened_anew(kept, monkeypatch):
    first = use(kept)
    monkeypatch.setattr(module, "MAX_IDLE", -1.0)
    assert use(kept) is not first
    assert Target.log == ["open", "close", "open"]


def test_a_thread_has_its_own(kept):
    first = use(kept)
    others = []
    thread = threading.Thread(target=lambda: others.append(use(kept)))
    thread.start()
    thread.join()
    assert others[0] is not first


def test_a_forked_child_opens_its_own_and_leaves_the_parents_open(kept):
    first = use(kept)
    assert holds_in_child(lambda: use(kept) is not first and Target.log == ["open", "open"])
    assert use(kept) is first


def test_a_backend_that_can_only_send_is_enough(kept):
    assert use(kept, "sends") is use(kept, "sends")
    kept.close()
