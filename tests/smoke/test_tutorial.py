"""Whoever does the tutorial sees in the worker's terminal what became of a mail, and why."""

import os
import re
import subprocess
import sys
from pathlib import Path

import django
import pytest

from mailqueue.demo.sink import Sink
from tests.procnodes import Process, free_port
from tests.services import queue_on
from tests.waiting import until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/tutorial/quickstart.md").read_text()


def settings(broker_url: str, queue: str, port: int) -> str:
    """Return the tutorial's settings with the broker, queue and port of this test."""
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (text,) = [block for block in blocks if "MAILERS" in block]
    if django.VERSION < (6, 1):
        (line,) = [block for block in blocks if block.startswith("EMAIL_BACKEND")]
        text += line
    text = text.replace("redis://localhost:6379/0", broker_url).replace("8025", str(port))
    assert '"using": "smtp"' in text
    return text.replace('"using": "smtp"', f'"using": "smtp", "queue": "{queue}"')


def send(folder: Path, environment: dict[str, str]) -> None:
    (call,) = re.findall(r">>> (send_mail\(.*\))", TEXT)
    lines = ["import django", "django.setup()", "from mailqueue.mail import send_mail", call]
    subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=folder,
        env=os.environ | environment,
        check=True,
    )


@pytest.mark.parametrize("arguments", [["--loglevel", "INFO"], []], ids=["tutorial", "default"])
def test_the_worker_says_what_became_of_a_mail(
    tmp_path: Path, redis_url: str, arguments: list[str]
) -> None:
    (command,) = re.findall(r"bin/(celery .*)", TEXT)
    assert command.split()[-2:] == ["--loglevel", "INFO"]
    port = free_port()
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}  # the settings change within a second
    with queue_on(redis_url) as queue:
        (tmp_path / "shop.py").write_text(settings(redis_url, queue, port))
        worker = Process("worker", command.split()[:-2] + arguments, cwd=tmp_path, env=environment)
        try:
            send(tmp_path, environment)  # nobody listens there
            until(lambda: ": deferred (next in " in worker.logs().decode())
            assert "Mailer 'smtp' pauses for 30 s: connection failed" in worker.logs().decode()
            if arguments:
                sent(tmp_path, environment, queue, redis_url, worker)
        finally:
            worker.kill("SIGTERM")
            worker.popen.wait(60)


def sent(
    folder: Path, environment: dict[str, str], queue: str, redis_url: str, worker: Process
) -> None:
    """Start again, where a mail server listens."""
    with Sink() as sink:
        (folder / "shop.py").write_text(settings(redis_url, queue, sink.port))
        worker.restart(60)
        send(folder, environment)
        until(lambda: ": sent (attempt 1" in worker.logs().decode())
