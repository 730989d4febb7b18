"""What a crash reporter gets of errors and lines of ours names no mail and no secret."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import RECIPIENT, SUBJECT, found
from tests.procnodes import Process, free_port, worker_command
from tests.smtp.scripted import EVERYTHING, Server
from tests.waiting import until

LINES = {
    "A batch became a dead letter: internal error: ValueError",
    "Mail came with a signature that does not hold.",
    "Mail of mailer 'stranger' waits",
    "Mailer 'with-password' pauses",
    "Mailer 'with-token' pauses",
    "The API is slow.",
    "The ledger cannot be asked: OperationalError. The mail waits.",
    'The ledger cannot be asked: OperationalError."',  # by who heard a ring
    "The relay failed: OperationalError.",
    "The target of mailer 'reports-wrongly' reports wrongly",
}


class Project:
    """The processes of `tests.worker.reported`, and what Sentry got of them."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.folder, self.file = folder, folder / "events"
        self.given = {"ledger": None, "stranger": True, "file": str(self.file)} | given

    def env(self, **given: Any) -> dict[str, str]:
        path = ":".join(each for each in sys.path if each)
        settings = {"DJANGO_SETTINGS_MODULE": "tests.worker.reported", "PYTHONPATH": path}
        return {"REPORTED": json.dumps(self.given | given)} | settings

    def web(self, action: str, **given: Any) -> str:
        command = [sys.executable, "-m", "tests.worker.reported", action]
        env = self.env(**given)
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def worker(self) -> Process:
        command = worker_command("tests.worker.reporting_worker", "-c", "1")
        env = self.env(ledger="database", stranger=False)
        return Process("worker", command, cwd=self.folder, env=env)

    def events(self) -> str:
        return self.file.read_text() if self.file.exists() else ""


@pytest.fixture(params=[False, True], ids=["defaults", "attach_stacktrace"])
def project(request: Any, tmp_path: Path, broker_url: str, queue: str) -> Iterator[Project]:
    with Server(refuse, (*EVERYTHING, "AUTH PLAIN XOAUTH2")) as server:
        yield Project(
            tmp_path,
            attach_stacktrace=request.param,
            broker_url=broker_url,
            queue=queue,
            port=server.port,
        )


def refuse(verb: str, argument: str, connection: int) -> bytes | None:
    """Take nobody's word, and quote what was said."""
    answers = {"RCPT": f"550 5.1.1 <{RECIPIENT}> {SUBJECT} unknown", "AUTH": "535 5.7.8 refused"}
    return answers[verb].encode() if verb in answers else None


def test_nothing_of_a_web_process(project: Project) -> None:
    scheme = str(project.given["broker_url"]).partition("://")[0]
    away = f"{scheme}://127.0.0.1:{free_port()}/0"
    output = project.web("send", broker_url=away, ledger="database")
    told = output.replace("BadHeaderError", "ValueError").split("\n")  # its name before Django 6
    assert told[:7] == [
        "publish PublishError",
        "send_mail PublishError",
        "send_mass_mail PublishError",
        "mail_admins PublishError",
        "encode EncodeError",
        "header ValueError",
        "ledger OperationalError",
    ]
    assert sum("SMTPAuthenticationError" in line for line in told) == 6
    events = project.events()
    # What is raised after a commit is logged by Django.
    assert events.count('"exception"') == len(told)
    assert found(events) == set()


def test_nothing_of_a_worker(project: Project) -> None:
    project.web("queue")
    project.web("queue", secret_key="another")
    worker = project.worker()
    try:
        until(lambda: all(line in project.events() for line in LINES))
    finally:
        worker.kill("SIGTERM")
        worker.popen.wait(60)
    events = project.events()
    assert ('"stacktrace"' in events) == project.given["attach_stacktrace"]
    assert found(events) == set()
    assert found(worker.logs().decode()) == set()
