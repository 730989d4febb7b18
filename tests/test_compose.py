"""docker-compose.yml: valid, and nothing in it names what is not there."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core import mail
from django.test import Client

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def test_the_schema_of_compose_takes_it() -> None:
    tool = [sys.executable, "-m", "check_jsonschema"]
    schema = ["--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*tool, *schema, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_there_are_a_broker_two_workers_a_catcher_and_a_sender() -> None:
    assert set(SERVICES) == {"broker", "worker", "catcher", "web"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_refers_to_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert set(service.get("networks", {})) <= set(COMPOSE.get("networks", {}))
    volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
    assert volumes <= set(COMPOSE["volumes"])
    if "build" in service:
        assert (ROOT / service["build"] / "Dockerfile").is_file()
    else:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_the_environment_names_services_and_variables_that_are_read(name: str) -> None:
    environment = SERVICES[name]["environment"]
    known = (ROOT / "docs/reference/settings.md").read_text()
    assert [
        each for each in environment if each.startswith("MAILQUEUE_") and each not in known
    ] == []
    assert environment["MAILQUEUE_SMTP_HOST"] in SERVICES
    assert re.search(r"//(\w+):", environment["MAILQUEUE_BROKER_URL"])[1] in SERVICES  # type: ignore[index]
    module = environment.get("DJANGO_SETTINGS_MODULE", "worker.settings")
    assert ROOT.joinpath(*module.split(".")).with_suffix(".py").exists()


def test_the_commands_exist() -> None:
    celery, flag, module, worker, *_ = SERVICES["worker"]["command"]
    assert (celery, flag, worker) == ("celery", "-A", "worker")
    assert shutil.which(celery, path=str(Path(sys.executable).parent))
    environment = {**os.environ, **SERVICES["worker"]["environment"]}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    # "report" loads the app and asks no broker.
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", module, "report"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    python, flag, module, *_ = SERVICES["web"]["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed


def test_the_web_process_sends(settings: Any) -> None:
    settings.ROOT_URLCONF = "example.urls"
    settings.MAILERS = {"default": {"BACKEND": "mailqueue.backends.locmem.EmailBackend"}}
    client = Client()
    assert b"<form" in client.get("/").content
    assert client.post("/", {"to": "nobody"}).status_code == 400
    assert client.post("/", {"to": "you@example.com"}).content == b"1 mail queued\n"
    assert [message.to for message in mail.outbox] == [["you@example.com"]]
