"""Whoever looks for a line of ours in the guide finds it as the code writes it."""

import ast
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import redis
from django.core.management import get_commands, load_command_class
from kombu import Connection, Queue

from mailqueue.errors import PublishError
from mailqueue.mail import send_mail
from tests.guides.code_texts import ANY, texts, texts_in
from tests.guides.pages import ROOT, page
from tests.project_app import project_app
from tests.services import queue_on
from tests.worker.project import project_settings

TEXT = page("troubleshoot")
WRITTEN = texts(ROOT / "mailqueue")
PATTERNS = [
    re.compile(".*".join(map(re.escape, text.split(ANY))))
    for text in WRITTEN
    if len(re.sub(r"\W", "", text)) >= 10
]
# What is no line: commands, parts of settings and code.
NO_LINE = re.compile(r"(python|manage\.py|celery|redis-cli|check|inspect|from)\b|--?\w")
# Lines that no single text in the code is; a test below meets each.
NOBODY = "Error: No nodes replied within time constraint"
NO_SETTINGS = "DJANGO_SETTINGS_MODULE must name the settings of the project, got none"
SENT = "sent (attempt 1, queued there as 4XyZ1)"  # tests/delivery/test_lines.py


def quoted() -> set[str]:
    """Return what the guide quotes, in blocks and in lines."""
    lines = re.findall(r"^```text\n(.*?)\n```", TEXT, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.S | re.M))
    lines += [each for each in inline if " " in each and not NO_LINE.match(each)]
    return {line for line in lines if line not in {NOBODY, NO_SETTINGS, SENT}}


def is_written(line: str) -> bool:
    """Tell whether this line, or what begins so, is a text in the code."""
    line = line.removesuffix(" (permanent)")
    if line.endswith(f" {ANY}") and any(text.startswith(line[:-1]) for text in WRITTEN):
        return True
    return any(pattern.fullmatch(line) for pattern in PATTERNS)


@pytest.mark.parametrize("line", sorted(quoted()))
def test_a_line_of_the_guide_is_one_of_the_code(line: str) -> None:
    assert is_written(line)


def logged() -> set[str]:
    """Return what is logged as a warning or an error."""
    found = set()
    for path in (ROOT / "mailqueue").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "logger.error",
                "logger.warning",
            ):
                found.add(max(texts_in(node.args[0]), key=len))
    return {re.sub(r"%(\.\d)?[a-z]", ANY, text) for text in found}


@pytest.mark.parametrize("text", sorted(logged()))
def test_what_is_logged_is_in_the_guide(text: str) -> None:
    begun = [line for line in quoted() if line == text or text.startswith(line.rstrip(ANY))]
    assert any(len(line) > 10 for line in begun)


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    shown = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return sorted({*shown, *re.findall(r"`(python manage\.py [^`]+)`", TEXT)})


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_guide_exists(command: str) -> None:
    program, *words = command.split()
    if program == "celery":
        assert words[:2] == ["-A", "mailqueue.worker"]
        assert words[2:] in (["inspect", each] for each in ("ping", "active_queues", "active"))
        return
    assert words.pop(0) == "manage.py"
    name = words.pop(0)
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(
        words
    )


def test_a_queue_that_is_no_quorum_queue(rabbitmq_url: str, transactional_db: None) -> None:
    with queue_on(rabbitmq_url) as queue, project_app(rabbitmq_url), Connection(rabbitmq_url) as it:
        Queue(queue, durable=True)(it.default_channel).declare()
        with project_settings(queue, 1), pytest.raises(PublishError, match="PreconditionFailed"):
            send_mail("s", "b", "a@x.test", ["b@x.test"])


@pytest.mark.parametrize(
    ("before", "now", "error"),
    [("guest@", "wrong@", "AccessRefused"), ("5672//", "5672/none", "NotAllowed")],
)
def test_a_broker_that_refuses(
    rabbitmq_url: str, transactional_db: None, before: str, now: str, error: str
) -> None:
    if before not in rabbitmq_url:
        pytest.skip("another RabbitMQ than the usual one")
    url = rabbitmq_url.replace(before, now)
    refused = pytest.raises(PublishError, match=f"did not take it: {error}")
    with project_app(url), project_settings("none", 1), refused:
        send_mail("s", "b", "a@x.test", ["b@x.test"])
    assert f"| `{error}` |" in TEXT


def test_nobody_answers_where_no_worker_runs(redis_url: str, tmp_path: Path) -> None:
    """Under a prefix of its own, since workers of other tests would answer."""
    prefix = f"test-{uuid.uuid4().hex}:"
    settings = f"""
SECRET_KEY = "key"
INSTALLED_APPS = ["mailqueue"]
MAILERS = {{}}
CELERY_BROKER_URL = {redis_url!r}
CELERY_BROKER_TRANSPORT_OPTIONS = {{"global_keyprefix": {prefix!r}}}
"""
    (tmp_path / "shop.py").write_text(settings)
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ping = [sys.executable, "-m", "celery", "-A", "mailqueue.worker", "inspect", "ping"]
    done = subprocess.run(
        [*ping, "--timeout", "0.2"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)
    assert (done.returncode, done.stderr.strip()) == (69, NOBODY)


def test_a_worker_without_settings() -> None:
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, "-c", "import mailqueue.worker"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == f"mailqueue: {NO_SETTINGS}"
