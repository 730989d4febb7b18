"""The unit of the guide is one that systemd takes, and its worker ends as the guide says."""

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from mailqueue.demo.answers import Stall
from mailqueue.demo.sink import Sink
from tests.guides.pages import ROOT, block
from tests.parts import missing
from tests.procnodes import Process
from tests.services import queue_on
from tests.waiting import until
from tests.worker.shop import SEND, SETTINGS

UNIT = block("systemd", "ExecStart", "ini")
CELERY = "/srv/shop/venv/bin/celery"


def value(name: str) -> str:
    [found] = [line for line in UNIT.splitlines() if line.startswith(f"{name}=")]
    return found.partition("=")[2]


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        missing("systemd", "no systemd-analyze")
    unit = tmp_path / "mail@.service"
    celery = Path(sys.executable).parent / "celery"
    unit.write_text(UNIT.replace(CELERY, str(celery)))
    verify = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def project(folder: Path, broker_url: str, queue: str, port: int) -> dict[str, str]:
    """Write the settings that the unit names; return its environment."""
    (folder / "shop").mkdir()
    text = SETTINGS.format(broker_url=broker_url, using="smtp", queue=queue, port=port)
    (folder / "shop/settings.py").write_text(text)
    name, _, module = value("Environment").partition("=")
    return {name: module, "PYTHONPATH": f"{folder}:{ROOT}"}


def command(instance: str) -> list[str]:
    """Return the unit's command as systemd starts it."""
    started = value("ExecStart").replace("%i", instance).replace("%%", "%")
    assert started.startswith(f"{CELERY} -A mailqueue.worker worker")
    return [sys.executable, "-m", "celery", *shlex.split(started)[1:]]


def test_sigterm_to_the_main_process_lets_the_mail_in_hand_finish(
    tmp_path: Path, redis_url: str, sink: Sink
) -> None:
    """`KillMode=mixed`. SIGTERM to all of them would end the process that is sending."""
    assert value("KillMode") == "mixed"
    stall = Stall()
    sink.answer("DOT", stall)
    with queue_on(redis_url) as queue:
        environment = project(tmp_path, redis_url, queue, sink.port)
        name = uuid.uuid4().hex[:8]
        worker = Process("worker", command(name), cwd=tmp_path, env=environment)
        try:
            send = [sys.executable, "-c", SEND]
            subprocess.run(send, cwd=tmp_path, env=os.environ | environment, check=True)
            assert stall.reached.wait(60)
            worker.kill("SIGTERM")
            until(lambda: b"Warm shutdown" in worker.logs())
            stall.release()
            assert worker.popen.wait(60) == 0
        finally:
            worker.remove()
    assert sink.copies() == {"b@x.test": 1}
