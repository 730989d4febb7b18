"""`manage.py mailqueue status` and `list`: where mail is and why, at both levels and brokers."""

import json
from io import StringIO

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command

from mailqueue.errors import PublishError
from mailqueue.mail import mailers
from tests.project_app import run_task
from tests.worker.project import project_settings, queued

pytestmark = pytest.mark.django_db(transaction=True)

PRIVATE = ["ann", "x.test", "Secret", "body"]


def send(*to):
    messages = [EmailMessage("Secret", "body", "me@x.test", [name]) for name in to]
    mailers.default.send_messages(messages)


def told(action, *ids, **options):
    out = StringIO()
    call_command("mailqueue", action, *ids, stdout=out, **options)
    return out.getvalue()


def data(action, *ids, **options):
    return json.loads(told(action, *ids, as_json=True, **options))


def test_the_ledger_is_counted(kept, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", to="ann@x.test")
    send("ann@x.test", "b@x.test")
    [before] = data("status")
    assert (before["queued"], before["dead"], before["sent"]) == (2, 0, 0)
    run_task(queued(kept))
    [after] = data("status")
    assert (after["mailer"], after["using"], after["queue"]) == ("default", "smtp", kept)
    assert (after["queued"], after["dead"], after["sent"], after["oldest"]) == (0, 1, 1, None)


def test_the_broker_is_counted_as_far_as_it_knows(bare, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox")
    send("ann@x.test")
    run_task(queued(bare))
    send("b@x.test")
    [found] = data("status")
    assert (found["kept"], found["tasks"], found["dead"]) == ("broker", 1, 1)
    assert found["queued"] is None


def test_a_table_for_people(kept):
    send("ann@x.test")
    head, line = told("status").splitlines()
    assert head.split()[:2] == ["mailer", "kept"]
    assert line.split()[:3] == ["default", "database", "1"]


def test_limits_are_exit_codes_of_monitoring(kept, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox")
    send("ann@x.test")
    run_task(queued(kept))
    told("status", max_age=600, max_dead=1)
    with pytest.raises(CommandError, match="default: 1 dead letters") as raised:
        told("status", max_dead=0)
    assert raised.value.returncode == 1
    send("b@x.test")
    with pytest.raises(CommandError, match="the oldest mail waits"):
        told("status", max_age=0)


@pytest.mark.parametrize("text", ["soon", "-1", "10 years", ""])
def test_a_time_that_is_none_is_an_error(kept, text):
    with pytest.raises(CommandError, match="must be a time such as"):
        call_command("mailqueue", "status", f"--max-age={text}")


def test_a_time_is_one_that_a_database_has(kept):
    with pytest.raises(CommandError, match="must be a time up to 36500d"):
        call_command("mailqueue", "list", "--older-than=999999999d")


@pytest.mark.parametrize(("text", "fits"), [("10m", True), ("2h", True), ("0s", False)])
def test_times_are_written_as_people_do(kept, text, fits):
    send("ann@x.test")
    if fits:
        call_command("mailqueue", "status", f"--max-age={text}", stdout=StringIO())
    else:
        with pytest.raises(CommandError):
            call_command("mailqueue", "status", f"--max-age={text}", stdout=StringIO())


@pytest.fixture(params=["database", None])
def level(request, celery_of_project, queue, sink, unclaimed):
    with project_settings(queue, sink.port, ledger=request.param):
        yield request.param


def test_a_dead_letter_is_listed_with_its_reason(level, queue, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox")
    send("ann@x.test")
    run_task(queued(queue))
    [found] = data("list", state="dead")
    assert (found["mailer"], found["code"], found["enhanced"]) == ("default", 550, "5.1.1")
    assert found["reason"] == "no such mailbox (permanent)"
    assert found["kept"] == (level or "broker")
    assert data("list", found["id"]) == [found]
    assert data("list", code=551) == data("list", state="queued") == data("list", "x") == []
    text = told("list")
    assert "550 5.1.1" in text
    assert not [word for word in PRIVATE if word in text]


def test_dead_letters_of_the_broker_stay_there(bare, sink):
    sink.answer("RCPT", "550 5.1.1 no such mailbox", times=3)
    send("a@x.test", "b@x.test", "c@x.test")
    run_task(queued(bare))
    for _ in range(3):
        assert len(data("list")) == 3
    assert len(data("list", limit=2)) == 2
    assert [each["dead"] for each in data("status")] == [3]


def test_a_broker_that_is_away_is_told(bare, monkeypatch):
    def away(*args, **kwargs):
        raise PublishError("The broker redis://… did not take it: ConnectionError.")

    monkeypatch.setattr("mailqueue.broker.publish.Publisher.waiting", away)
    with pytest.raises(CommandError, match="The broker") as raised:
        told("status")
    assert raised.value.returncode == 2


def test_more_than_is_shown_is_said(kept):
    send(*[f"u{number}@x.test" for number in range(3)])
    err = StringIO()
    call_command("mailqueue", "list", limit=2, stdout=StringIO(), stderr=err)
    assert "more than these 2" in err.getvalue()
