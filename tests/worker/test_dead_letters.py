"""Every dead letter is told: a signal, and a line in the log with id, mailer and reason."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue import signals
from mailqueue.log import floods
from mailqueue.mail import mailers
from mailqueue.tasks import run
from mailqueue.wire.envelope import Envelope, pack, unpack
from mailqueue.wire.signature import keys_from_settings
from tests.project_app import run_task
from tests.worker.project import dead as letters
from tests.worker.project import project_settings, queued

ADDRESS = "secret-address@x.test"
OLD = time.time() - 4 * 86400


@pytest.fixture
def project(celery_of_project: Any, queue: str, sink: Any, unclaimed: Any) -> Iterator[str]:
    floods.flush()
    with project_settings(queue, sink.port):
        yield queue
    floods.flush()


@pytest.fixture
def dead() -> Iterator[list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []

    def note(signal: Any, sender: Any, **facts: Any) -> None:
        seen.append(facts)

    signals.dead.connect(note)
    yield seen
    signals.dead.disconnect(note)


def send() -> None:
    mailers.default.send_messages([EmailMessage("s", "b", "me@x.test", [ADDRESS])])


def packed(project: str) -> str:
    send()
    [text] = json.loads(queued(project))
    return str(text)


def with_other_key(text: str) -> str:
    """Return what a sender with another SECRET_KEY would have queued."""
    envelope = unpack(text, keys_from_settings())
    with override_settings(SECRET_KEY="another"):
        return pack(envelope, keys_from_settings())


def changed(**fields: Any) -> Callable[[str], str]:
    def change(text: str) -> str:
        envelope: Envelope = unpack(text, keys_from_settings())
        return pack(dataclasses.replace(envelope, **fields), keys_from_settings())

    return change


@pytest.mark.parametrize(
    ("spoil", "mailer", "reason"),
    [
        (with_other_key, "", "undecodable: BadSignature"),
        (lambda text: "garbage", "", "undecodable: DecodeError"),
        (lambda text: "9" + text[1:], "", "undecodable: UnsupportedVersion"),
        (changed(mailer="gone", queued_at=OLD), "gone", "unknown mailer"),
        (changed(mailer="smtp", queued_at=OLD), "smtp", "unknown mailer"),
        (changed(expires_at=time.time() - 1), "default", "expired"),
        (changed(message={"api": "none"}), "default", "undecodable: DecodeError"),
    ],
)
def test_each_is_told(
    project: str, dead: Any, caplog: Any, spoil: Callable[[str], str], mailer: str, reason: str
) -> None:
    text = packed(project)
    run_task(json.dumps([spoil(text)]))

    known = unpack(text, keys_from_settings()).id if mailer else ""
    who = {"mailer": mailer, "id": known, "origin": known, "attempts": 0}
    message_id = dead[0].pop("message_id")
    # What was opened, and is of a mailer that this worker has, has an outcome.
    outcome = ("permanent", "message") if mailer == "default" else ("", "")
    assert (dead[0].pop("kind"), dead[0].pop("stage")) == outcome
    assert dead == [who | {"reason": reason, "code": None, "enhanced": None}]
    assert bool(message_id) == (bool(mailer) and "Decode" not in reason)
    [line] = [record for record in caplog.records if "dead letter" in record.getMessage()]
    assert line.levelname == "WARNING"
    assert (known or "without id") in line.getMessage()
    assert reason in line.getMessage()
    assert (repr(mailer) if mailer else "no known mailer") in line.getMessage()
    assert "secret-address" not in caplog.text


def test_a_batch_that_is_none(project: str, dead: Any) -> None:
    run_task("no JSON")
    assert [each["reason"] for each in dead] == ["undecodable: DecodeError"]


def test_a_refused_recipient(project: str, sink: Any, dead: Any, caplog: Any) -> None:
    sink.answer("RCPT", f"550 5.1.1 <{ADDRESS}> unknown", to=ADDRESS)
    run_task(json.dumps([packed(project)]))
    [facts] = dead
    assert (facts["code"], facts["enhanced"], facts["mailer"]) == (550, "5.1.1", "default")
    name = f"Mail {facts['id']} of mailer 'default'"
    assert f"{name}: dead letter (attempt 1): 550 5.1.1 no such mailbox (permanent)." in caplog.text
    assert f" Message-ID {facts['message_id']}." in caplog.text
    [taken] = [letter for letter in letters(project) if letter.id == facts["id"]]
    assert (taken.message_id, taken.attempts) == (facts["message_id"], 1)
    assert "secret-address" not in caplog.text


def test_a_defect_of_ours(
    project: str, dead: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(batch: Any, **kwargs: Any) -> None:
        raise RuntimeError(ADDRESS)

    batch = json.dumps([packed(project)])
    monkeypatch.setattr(run, "process", broken)
    run_task(batch)
    assert [each["reason"] for each in dead] == ["internal error: RuntimeError"]
    assert "secret-address" not in caplog.text


def test_a_rotated_key_is_a_few_lines_and_a_count(project: str, dead: Any, caplog: Any) -> None:
    spoilt = [with_other_key(packed(project)) for _ in range(30)]
    run_task(json.dumps(spoilt))
    floods.flush()

    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    lines = [line for line in lines if "dead letter" in line]
    assert len(dead) == 30
    assert len(lines) == 11
    assert lines[-1] == (
        "20 more mails of no known mailer: dead letter, 20 of them: undecodable: BadSignature."
    )


def test_a_receiver_that_raises_changes_nothing(project: str, sink: Any) -> None:
    def broken(**facts: Any) -> None:
        raise RuntimeError

    signals.dead.connect(broken)
    try:
        run_task(json.dumps(["garbage", packed(project)]))
    finally:
        signals.dead.disconnect(broken)
    assert len(sink.mails) == 1
