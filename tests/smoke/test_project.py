"""A project outside this repository, made of what the README says and nothing else."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import django
import pytest

from mailqueue.demo.sink import Sink
from tests.procnodes import Process, RedisProcess

ROOT = Path(__file__).parents[2]
SEND = """
import django
django.setup()
from django.core.mail import send_mail
print(send_mail("Your order", "It is on its way.", "shop@example.com", ["you@example.com"]))
"""


def blocks(language: str) -> list[str]:
    readme = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def settings(broker: str, port: int, *, keep: bool) -> str:
    """Return the README's settings with the ports of this test, and the ledger if asked to."""
    (text,) = [block for block in blocks("python") if "MAILERS" in block]
    assert len(text.splitlines()) < 15
    assert "redis://localhost:6379/0" in text
    assert '"port": 8025' in text
    text = text.replace("redis://localhost:6379/0", broker).replace("8025", str(port))
    if django.VERSION < (6, 1):
        (line,) = [block for block in blocks("python") if "EMAIL_BACKEND" in block]
        text += line
    if keep:
        (lines,) = [block for block in blocks("python") if "mailqueue.ledger" in block]
        text += lines
    return text


@pytest.mark.parametrize("keep", [False, True], ids=["broker alone", "ledger"])
def test_the_readme_makes_a_project_that_sends(
    tmp_path: Path, default_redis_broker: RedisProcess, sink: Sink, keep: bool
) -> None:
    (tmp_path / "shop.py").write_text(settings(default_redis_broker.url, sink.port, keep=keep))
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    if keep:
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=tmp_path, env=os.environ | environment, check=True)
    lines = [line for block in blocks("console") for line in block.splitlines()]
    (command,) = [line for line in lines if "celery" in line]
    worker = command.partition("DJANGO_SETTINGS_MODULE=shop ")[2].split()
    assert worker == ["celery", "-A", "mailqueue.worker", "worker"]
    process = Process("worker", worker, cwd=tmp_path, env=environment)
    try:
        sent = subprocess.run(
            [sys.executable, "-W", "error", "-c", SEND],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (sent.stdout, sent.stderr) == ("1\n", "")
        sink.wait(lambda: len(sink.mails) == 1)
    finally:
        process.remove()
    assert sink.copies() == {"you@example.com": 1}
    assert sink.mails[0].message["Subject"] == "Your order"
    if keep:
        with closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as database:
            rows = database.execute("SELECT count(*) FROM mailqueue_ledger_entry").fetchone()
        assert rows == (1,)
