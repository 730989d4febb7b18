"""A project that uses another package, from an environment of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from mailqueue.demo.sink import Sink
from tests.environments import APP
from tests.procnodes import Process

BEFORE = """
from pathlib import Path

SECRET_KEY = "key"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parents[1] / "shop.sqlite3",
        "OPTIONS": {{"timeout": 30}},
    }}
}}
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates"}}]
CELERY_BROKER_URL = {broker!r}
CELERY_TASK_DEFAULT_QUEUE = {old!r}
"""
# The guide's settings are in between. Their mail server is the test's, and so is their queue.
AFTER = """
if "MAILERS" in globals():
    MAILERS["smtp"]["OPTIONS"] |= {{"host": "127.0.0.1", "port": {port}}}
    for mailer in MAILERS.values():
        if mailer.get("BACKEND") == "mailqueue.backends.queue.EmailBackend":
            mailer["OPTIONS"] |= {{"queue": {queue!r}}}
else:
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", {port}
"""
UNSENT = """
from mailqueue.ledger.models import Entry, State
print(Entry.objects.exclude(state=State.SENT).count())
"""


class Project:
    """A project in a folder, whose settings change while its mail is on the way."""

    def __init__(
        self, folder: Path, python: Path, sink: Sink, broker: str, queues: tuple[str, str]
    ) -> None:
        self.folder, self.python, self.sink, self.broker = folder, python, sink, broker
        self.old, self.queue = queues
        (folder / "shop").mkdir()
        (folder / "shop/__init__.py").write_text(APP)
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",  # the settings change within a second
        }

    def configure(self, *blocks: str, port: int | None = None) -> None:
        """Write the settings that a guide shows."""
        made = BEFORE.format(broker=self.broker, old=self.old), *blocks
        ends = AFTER.format(port=port or self.sink.port, queue=self.queue)
        (self.folder / "shop/settings.py").write_text("\n".join([*made, ends]))

    def run(self, code: str) -> str:
        """Run code in a process of the project; return what it prints."""
        return self.call("-c", f"import django; django.setup()\n{code}")

    def manage(self, *words: str) -> str:
        return self.call("-m", "django", *words)

    def call(self, *words: str) -> str:
        done = subprocess.run(
            [str(self.python), *words],
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[Process]:
        """Run a worker on the old queue and the new one."""
        queues = [self.old, self.queue] if "mailqueue" in self.settings else [self.old]
        command = [str(self.python), "-m", "celery", "-A", "shop", "worker", "-Q", ",".join(queues)]
        command += ["-n", f"{self.queue}@%h", "--concurrency", "2", "--loglevel", "INFO"]
        worker = Process("worker", command, cwd=self.folder, env=self.environment)
        try:
            yield worker
        finally:
            worker.kill("SIGTERM")
            worker.popen.wait(60)

    @property
    def settings(self) -> str:
        return (self.folder / "shop/settings.py").read_text()

    def arrive(self, subjects: set[str]) -> None:
        """Let a worker deliver; each of these mails, and no other, arrives once."""
        with self.worker():
            self.sink.wait(lambda: subjects <= self.subjects(), timeout=60)
        assert sorted(self.subjects()) == sorted(subjects)
        assert len(self.sink.mails) == len(subjects)
        assert self.left() == 0  # nothing that would come a second time
        self.sink.mails.clear()

    def left(self) -> int:
        """Count what a worker would still have to do; rings of the ledger are no mail."""
        if "mailqueue.ledger" in self.settings:
            return int(self.run(UNSENT))
        with redis.Redis.from_url(self.broker) as client:
            return sum(int(client.llen(queue)) for queue in (self.old, self.queue))

    def subjects(self) -> set[str]:
        return {str(mail.message["Subject"]) for mail in self.sink.mails}
