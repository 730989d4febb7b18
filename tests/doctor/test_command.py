"""`manage.py mailqueue doctor`: what it prints, its status, and that it always comes to its end."""

import json
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mailqueue import pauses
from mailqueue.doctor import diagnosis, targets
from mailqueue.doctor.finding import Finding
from tests.project_app import no_app, project_app
from tests.services import queue_on
from tests.worker.project import project_settings

pytestmark = [pytest.mark.broker, pytest.mark.rabbitmq]


@pytest.fixture
def project(rabbitmq_url, sink, soon, monkeypatch):
    """A project in which no worker runs, and nothing else is wrong."""
    for module in (diagnosis, pauses):  # without the ledger
        monkeypatch.setattr(module, "is_installed", lambda: False)
    with (
        queue_on(rabbitmq_url) as queue,
        project_app(rabbitmq_url),
        project_settings(queue, sink.port),
    ):
        yield queue


def told(*args):
    """Run it; return status, output and errors."""
    out, status, error = StringIO(), 0, ""
    try:
        call_command("mailqueue", "doctor", *args, stdout=out)
    except CommandError as raised:
        status, error = raised.returncode, str(raised)
    return status, out.getvalue(), error


def test_each_finding_is_a_line_and_its_cure_one_below(project):
    status, out, error = told()
    assert (status, error) == (1, "Findings: 1")
    first, second = out.splitlines()
    assert first == f"queue {project!r}: no worker that answers consumes it (no-worker)"
    assert second.startswith("    Start one, with -Q ")


def test_for_programs(project):
    status, out, _ = told("--json")
    [found] = json.loads(out)
    assert status == 1
    assert set(found) == {"id", "about", "problem", "cure", "unasked"}


def test_a_mailer_that_is_not_there():
    status, _, error = told("smpt")
    assert status == 2
    assert error == "MAILERS must have 'smpt' to look at it, has ['default', 'smtp']."


def test_a_project_that_knows_no_broker(project):
    with no_app():
        assert [each.id for each in diagnosis.diagnose()] == ["mailqueue.W005"]


@pytest.mark.parametrize("entry", [7, {"OPTIONS": []}, {"BACKEND": "no.Such"}])
def test_an_entry_that_is_none_is_found_also_where_djangos_own_checks_fail_at_it(settings, entry):
    settings.MAILERS = {"default": entry, "smtp": {"OPTIONS": {"host": 7}}}
    found = [each.id for each in diagnosis.diagnose()]
    assert {"mailqueue.E006", "mailqueue.E004"} <= set(found) <= {*found[:2], "step-failed"}


def test_a_project_without_mailers(settings):
    settings.MAILERS = {}
    assert told()[0] == 2


def test_looking_alone_opens_nothing(project, sink):
    told("--no-probe")
    assert sink.connections == 0
    told()
    assert sink.connections == 1


class Recorder:
    """A backend of somebody: notes what is done to it."""

    done: list[str] = []

    def __init__(self, *, alias, fail=False):
        self.fail = fail

    def open(self):
        self.done.append("open")
        if self.fail:
            raise ValueError("me@x.test")

    def close(self):
        self.done.append("close")


@pytest.mark.parametrize("fail", [False, True])
def test_a_target_is_closed_whatever_happens(settings, monkeypatch, fail):
    monkeypatch.setattr(Recorder, "done", [])
    backend = f"{__name__}.Recorder"
    settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": {"fail": fail}}}
    found = [(each.id, each.problem) for each in diagnosis.diagnose()]
    assert Recorder.done == ["open", "close"]
    expected = [("target-unusable", "it cannot be opened: ValueError")]
    assert found == (expected if fail else [])


def test_one_mailer_alone(project, sink):
    status, out, _ = told("smtp")
    assert (status, out) == (0, "Nothing is wrong.\n")
    assert sink.connections == 1


def test_a_step_that_fails_is_a_finding(project, monkeypatch):
    def fails(alias):
        yield Finding(id="first", about="a", problem="b", cure="c")
        raise RuntimeError("me@x.test")

    monkeypatch.setattr(targets, "look", fails)
    status, out, _ = told()
    assert status == 2
    assert "MAILERS['smtp']: the look at it failed: RuntimeError (step-failed)" in out
    assert "(no-worker)" in out
    assert "(first)" in out
    assert "x.test" not in out


def test_a_step_that_hangs_is_left_alone(project, monkeypatch):
    released = threading.Event()

    def hangs(alias):
        released.wait(60)
        yield from ()

    monkeypatch.setattr(targets, "look", hangs)
    monkeypatch.setattr(diagnosis, "PATIENCE", 0.3)
    status, out, _ = told("smtp")
    assert (status, out.splitlines()[0]) == (
        2,
        "MAILERS['smtp']: no answer within 0 s (step-slow)",
    )
    released.set()
