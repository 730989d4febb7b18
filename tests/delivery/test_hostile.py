"""Signed envelopes that no sender makes: each dies alone, with its bytes."""

import base64
import json
import logging
from collections.abc import Iterator

import pytest
from django.core.mail import EmailMessage

from mailqueue.delivery.deliver import tell_unknown_attribute
from mailqueue.log import floods, tell_stranger
from mailqueue.mail import mailers
from mailqueue.wire.signature import keys_from_settings
from tests.delivery.recording import QUEUE, Sent, deliver, recording
from tests.wire.hostile import BAD, CANARY, STRANGE, envelope
from tests.worker.project import queued

GOOD = ["one@example.test", "two@example.test"]


@pytest.fixture(autouse=True, scope="module")
def worker() -> Iterator[None]:
    with recording():
        yield


def signed(body: bytes) -> str:
    return keys_from_settings().sign(f"1.json.{base64.b64encode(body).decode()}")


def batch(text: str) -> str:
    """Put it between two good mails."""
    for name in GOOD:
        mailers["default"].send_messages([EmailMessage("s", "b", "from@example.test", [name])])
    first, last = (json.loads(queued(QUEUE))[0] for _ in GOOD)
    return json.dumps([first, text, last])


def to_whom(sent: list[Sent]) -> list[str]:
    return sorted(name for mail in sent for name in mail.recipients)


def test_a_body_like_these_is_delivered() -> None:
    outcome = deliver(batch(signed(envelope())))
    assert to_whom(outcome.sent) == sorted([*GOOD, f"{CANARY}@example.test"])
    assert outcome.dead == outcome.waiting == []


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_message_dies_alone(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mailqueue")
    floods.flush()
    text = signed(BAD[name])
    outcome = deliver(batch(text))
    assert to_whom(outcome.sent) == GOOD
    assert outcome.dead == [text]
    assert outcome.waiting == []
    assert CANARY not in caplog.text
    assert "undecodable: " in caplog.text
    assert "internal error" not in caplog.text


@pytest.mark.parametrize("name", STRANGE)
def test_what_other_settings_may_know_waits(name: str, caplog: pytest.LogCaptureFixture) -> None:
    tell_unknown_attribute.cache_clear()
    tell_stranger.cache_clear()
    outcome = deliver(batch(signed(STRANGE[name])))
    assert to_whom(outcome.sent) == GOOD
    assert outcome.dead == []
    assert len(outcome.waiting) == 1
    assert CANARY not in caplog.text
