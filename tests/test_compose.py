"""docker-compose.yml and its variants: valid, closed, and without names of what is not there."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from django.core import mail
from django.test import Client

from tests.compose import BASE, OVER, REQUIRED, ROOT, VARIANTS, services

FILES = [BASE, *OVER]


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> dict[str, Any]:
    return services(VARIANTS[request.param])


@pytest.mark.parametrize("name", FILES)
def test_the_schema_of_compose_takes_it(name: str) -> None:
    tool = [sys.executable, "-m", "check_jsonschema"]
    schema = ["--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*tool, *schema, ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_there_are_a_broker_two_workers_a_catcher_and_a_sender() -> None:
    assert set(services([])) == {"broker", "worker", "catcher", "web"}
    assert services([])["worker"]["deploy"]["replicas"] == 2
    assert set(services(OVER)) == {"broker", "worker", "catcher", "web", "database", "migrate"}


def test_what_a_service_refers_to_is_there(variant: dict[str, Any]) -> None:
    volumes = {
        each for name in FILES for each in yaml.safe_load((ROOT / name).read_text())["volumes"]
    }
    for service in variant.values():
        assert set(service.get("depends_on", {})) <= set(variant)
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= volumes
        if "build" in service:
            assert (ROOT / service["build"] / "Dockerfile").is_file()


def test_who_waits_for_health_waits_for_one_who_tells_it(variant: dict[str, Any]) -> None:
    for service in variant.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in variant[name]["healthcheck"]
            else:
                assert variant[name].get("restart", "no") == "no"
    assert {"worker", "web"} <= {name for name in variant if "healthcheck" in variant[name]}


def test_images_are_those_of_a_version(variant: dict[str, Any]) -> None:
    images = [service["image"] for service in variant.values() if "image" in service]
    images += re.findall("^FROM (.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert [each for each in images if not re.fullmatch(r"[\w/]+:v?\d+\.\d+[.\w-]*", each)] == []


def test_ports_are_for_this_machine_alone(variant: dict[str, Any]) -> None:
    ports = [port for service in variant.values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_no_secret_has_a_default(variant: dict[str, Any]) -> None:
    secret = re.compile("KEY|PASS")
    found = {
        name: value
        for service in variant.values()
        for name, value in service.get("environment", {}).items()
        if secret.search(name) or "@" in value
    }
    assert "MAILQUEUE_SECRET_KEY" in found
    assert [name for name, value in found.items() if not REQUIRED.search(value)] == []


def test_the_line_of_the_docs_makes_all_secrets(tmp_path: Any) -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    (line,) = re.findall(r"^\$ (python3 .*> \.env)$", page, re.MULTILINE)
    made = []
    for _ in range(2):
        subprocess.run(
            line.replace("python3", sys.executable), shell=True, cwd=tmp_path, check=True
        )
        made.append(dict(row.split("=") for row in (tmp_path / ".env").read_text().splitlines()))
    asked = {name for each in FILES for name in REQUIRED.findall((ROOT / each).read_text())}
    assert set(made[0]) == asked
    assert all(len(value) >= 50 for value in made[0].values())
    assert not set(made[0].values()) & set(made[1].values())
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_environment_names_services_and_variables_that_are_read(
    variant: dict[str, Any],
) -> None:
    known = (ROOT / "docs/reference/settings.md").read_text()
    for name in ("worker", "web"):
        environment = variant[name]["environment"]
        unknown = [each for each in environment if each.startswith("MAILQUEUE_")]
        assert [each for each in unknown if each not in known] == []
        assert environment["MAILQUEUE_SMTP_HOST"] in variant
        assert re.search(r"(?:@|//)(\w+):\d", environment["MAILQUEUE_BROKER_URL"])[1] in variant  # type: ignore[index]
        assert environment.get("PGHOST", "broker") in variant
        module = environment.get("DJANGO_SETTINGS_MODULE", "worker.settings")
        assert ROOT.joinpath(*module.split(".")).with_suffix(".py").exists()


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed


@pytest.fixture
def page(settings: Any) -> Client:
    settings.ROOT_URLCONF = "example.urls"
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    settings.MAILERS = {"default": {"BACKEND": "mailqueue.backends.locmem.EmailBackend"}}
    mail.outbox = []
    return Client(enforce_csrf_checks=True)


def test_the_page_mails_nobody_but_the_shop(page: Client) -> None:
    token = re.search(r'value="(\w+)"', page.get("/").content.decode())[1]  # type: ignore[index]
    order = {"csrfmiddlewaretoken": token, "to": "you@example.com"}
    assert page.post("/", order).content == b"1 mail queued\n"
    assert [message.recipients() for message in mail.outbox] == [["shop@example.com"]]


def test_the_page_takes_no_order_of_another_page(page: Client) -> None:
    assert page.post("/", {"to": "you@example.com"}).status_code == 403
    assert mail.outbox == []
